"""Release versions of OpenDesa applications: vYYMM.x.y."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

from siappakai.errors import InvalidInputError
from siappakai.wording import say

_TAG = re.compile(r"v(\d{2})(0[1-9]|1[0-2])\.(\d{1,3})\.(\d{1,3})", re.ASCII)


@dataclass(frozen=True, slots=True, order=True)
class Version:
    """A release version; ordered by year, month, then hotfix numbers."""

    year: int
    month: int
    minor: int
    patch: int

    @classmethod
    def parse(cls, tag: str) -> Self:
        """Return the version named by a tag; raises InvalidInputError (field `version`)."""
        match = _TAG.fullmatch(tag)
        if match is None:
            raise InvalidInputError(
                say("Rilis “%(tag)s” tidak sah.", tag=tag),
                say("Contoh: v2410.0.0."),
                field="version",
            )
        return cls(*(int(part) for part in match.groups()))

    @property
    def tag(self) -> str:
        return f"v{self.year:02d}{self.month:02d}.{self.minor}.{self.patch}"

    @property
    def current_version(self) -> str:
        """What OpenSID writes into setting_aplikasi.current_version (`24.10`)."""
        return f"{self.year:02d}.{self.month:02d}"


def is_version(tag: str) -> bool:
    """Tell whether a tag names a release."""
    return _TAG.fullmatch(tag) is not None

"""Where backups are kept: what a store can do, and where it is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol

from siappakai.errors import InvalidInputError, RefusedError
from siappakai.wording import say

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
_FOLDER: Final = re.compile(
    r"(?=.{2,200}\Z)(?:/?[A-Za-z0-9][A-Za-z0-9._-]*)(?:/[A-Za-z0-9][A-Za-z0-9._-]*)*"
)
_BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_ENDPOINT: Final = re.compile(r"https?://[a-z0-9][a-z0-9.-]*(:\d{1,5})?")


class StoreKind(StrEnum):
    """How a store is spoken to."""

    SFTP = "sftp"
    S3 = "s3"


class DeletionRefusedError(RefusedError):
    """The store keeps what it has: pruning is its own side's business."""


class Upload(Protocol):
    """One file on its way into a store, from `offset` on: what came before lies there already."""

    offset: int

    def write(self, piece: bytes) -> None:
        """Add some bytes; raises UnreachableError."""

    def finish(self) -> None:
        """Make the file appear under its name, whole."""


class Vault(Protocol):
    """An open store. What fails raises UnreachableError or RefusedError."""

    def upload(self, name: str, size: int) -> Upload:
        """Begin to write a file, or go on where a broken transfer of it ended."""

    def read(self, name: str) -> Iterator[bytes]:
        """Yield the content of a file in pieces; raises NotFoundError."""

    def sizes(self, folder: str) -> dict[str, int]:
        """Return the bytes of each whole file in a folder by its name; empty without it."""

    def delete(self, name: str) -> None:
        """Delete a file, there or not; raises DeletionRefusedError where that is not allowed."""


@dataclass(frozen=True, slots=True)
class SftpPlace:
    """A folder of an account on another machine."""

    address: str
    port: int
    user: str
    host_key: str
    folder: str

    def checked(self) -> SftpPlace:
        """Return it; raises InvalidInputError naming the field."""
        check(_FOLDER, self.folder, "folder", say("Contoh: cadangan/siappakai"))
        return self


@dataclass(frozen=True, slots=True)
class S3Place:
    """A bucket of an S3-compatible service, and what its keys begin with."""

    endpoint: str
    bucket: str
    region: str
    prefix: str
    access_key: str

    def checked(self) -> S3Place:
        """Return it; raises InvalidInputError naming the field."""
        check(_ENDPOINT, self.endpoint, "endpoint", say("Contoh: https://s3.contoh.id"))
        check(_BUCKET, self.bucket, "bucket", say("Contoh: cadangan-desa"))
        if self.prefix:
            check(_FOLDER, self.prefix, "prefix", say("Contoh: cadangan/siappakai"))
        return self


def check_name(text: str) -> str:
    """Return the name of a store; raises InvalidInputError (field `name`)."""
    name = text.strip().lower()
    check(_NAME, name, "name", say("Pakai huruf kecil, angka dan tanda hubung."))
    return name


def check(pattern: re.Pattern[str], value: str, field: str, todo: str) -> None:
    """Raise InvalidInputError unless `value` fits."""
    if pattern.fullmatch(value) is None:
        raise InvalidInputError(
            say("Nilai “%(value)s” tidak sah untuk %(field)s.", value=value, field=field),
            todo,
            field=field,
        )

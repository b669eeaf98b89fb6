"""What it takes to install one site."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .variables import FileVars, LayoutVars, ReleaseVars, SecretVars, SiteVars


@dataclass(frozen=True)
class Order:
    """All that is needed to install one site.

    `release_problem` is why the release could not be brought to this server, if it could not.
    """

    layout: LayoutVars
    release: ReleaseVars
    site: SiteVars
    secrets: SecretVars
    files: FileVars
    release_problem: str = ""
    dry: bool = False

"""Releases that can be installed."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, Field

from siappakai.domain.tokens import Scope
from siappakai.models import Release as ReleaseRow
from siappakai.services import releases
from siappakai.web.api.operations import operation
from siappakai.web.api.values import Listed


class Release(BaseModel):
    """A release of OpenSID pinned to a commit."""

    version: str
    commit: str
    source: str
    stand_in: Annotated[bool, Field(description="whether it is the stand-in app")]
    schema_version: Annotated[str, Field(description="the `migrasi` row it leaves")]
    php_versions: Annotated[list[str], Field(description="those it was seen working on")]
    released_at: datetime | None
    pinned_at: datetime


@operation("GET", "/releases", Scope.RELEASES_READ)
def list_releases() -> Listed[Release]:
    """List the pinned releases, newest first."""
    return Listed[Release].whole(map(_record, releases.list_releases()))


def _record(found: ReleaseRow) -> Release:
    return Release(
        version=found.version,
        commit=found.commit,
        source=found.source,
        stand_in=found.stand_in,
        schema_version=found.schema_version,
        php_versions=list(found.php_versions),
        released_at=found.released_at,
        pinned_at=found.pinned_at,
    )

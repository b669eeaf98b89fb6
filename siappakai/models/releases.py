"""The release catalogue: what can be installed, and what was seen of it."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from siappakai.models.base import Base, utc_now


class Release(Base):
    """One version of an app, pinned to a commit of its source.

    `schema_version` is the `migrasi` row it leaves (VERSI_DATABASE). `benign_patterns` are
    regular expressions of log lines it writes without harm; `php_versions` those it was seen
    working on. `stand_in` marks the demonstration app.
    """

    __tablename__ = "releases"
    __table_args__ = (UniqueConstraint("app", "version"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    app: Mapped[str] = mapped_column(String(20))
    version: Mapped[str] = mapped_column(String(20))
    commit: Mapped[str] = mapped_column(String(64))
    source: Mapped[str] = mapped_column(String(255))
    stand_in: Mapped[bool] = mapped_column(default=False)
    schema_version: Mapped[str] = mapped_column(String(20))
    php_versions: Mapped[list[str]] = mapped_column(default=list)
    benign_patterns: Mapped[list[str]] = mapped_column(default=list)
    released_at: Mapped[datetime | None]
    pinned_at: Mapped[datetime] = mapped_column(default=utc_now)

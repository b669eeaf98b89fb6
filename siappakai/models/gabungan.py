"""The gabungan, the villages in it, and what each lets the regency have."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from siappakai.models.base import Base, KeptWording, utc_now
from siappakai.models.fleet import Server
from siappakai.models.places import Village
from siappakai.models.releases import Release


class Gabungan(Base):
    """The regency's merged database on its central server.

    `key_sealed` makes pseudonyms, `passwords_sealed` are those of its users. `next_slot` is the
    first place that no village has had. `verified` is what the last proof of all found.
    """

    __tablename__ = "gabungan"

    id: Mapped[int] = mapped_column(primary_key=True)
    server_id: Mapped[int] = mapped_column(ForeignKey("servers.id"))
    release_id: Mapped[int] = mapped_column(ForeignKey("releases.id"))
    schema: Mapped[str] = mapped_column(String(64))
    key_sealed: Mapped[str] = mapped_column(Text)
    passwords_sealed: Mapped[str] = mapped_column(Text)
    next_slot: Mapped[int] = mapped_column(default=0)
    is_paused: Mapped[bool] = mapped_column(default=False)
    made_at: Mapped[datetime | None]
    verified: Mapped[dict[str, Any]] = mapped_column(default=dict)
    verified_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(default=utc_now)

    server: Mapped[Server] = relationship()
    release: Mapped[Release] = relationship()


class Member(Base):
    """One village's place in the gabungan, kept for ever. `id` is its `config.id` there.

    `merged_at` is when its rows were last replaced, `checked_at` when it was last seen to be the
    same; `report` is what the last reconciliation counted. `message` is why its last merge failed,
    `error` is the machine-readable form of that, `waits_for` why it is not merged though nothing
    failed. `withdrawn_at` is when it was asked to leave, `left_token` the token of the run that
    has taken it out.
    """

    __tablename__ = "gabungan_members"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    village_id: Mapped[int] = mapped_column(ForeignKey("villages.id"), unique=True)
    slot: Mapped[int] = mapped_column(unique=True)
    slots: Mapped[int] = mapped_column(default=1)
    rows: Mapped[int] = mapped_column(default=0)
    report: Mapped[dict[str, Any]] = mapped_column(default=dict)
    message: Mapped[str] = mapped_column(KeptWording, default="")
    error: Mapped[dict[str, Any]] = mapped_column(default=dict)
    waits_for: Mapped[str] = mapped_column(KeptWording, default="")
    merged_at: Mapped[datetime | None]
    checked_at: Mapped[datetime | None]
    withdrawn_at: Mapped[datetime | None]
    left_token: Mapped[int] = mapped_column(BigInteger, default=0)

    village: Mapped[Village] = relationship()


class Consent(Base):
    """One version of what is shared: by a village, or by all that decided nothing themselves.

    The newest one counts; `document` is the number of the paper it rests on.
    """

    __tablename__ = "consents"
    __table_args__ = (Index("ix_consents_village", "village_id", "id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    village_id: Mapped[int | None] = mapped_column(ForeignKey("villages.id"))
    shares: Mapped[dict[str, Any]]
    document: Mapped[str] = mapped_column(String(160))
    given_by: Mapped[str] = mapped_column(String(80))
    given_at: Mapped[datetime] = mapped_column(default=utc_now)

"""Backups of sites, the stores they are kept in, and which store has which."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from siappakai.domain.backups import CopyState, ProofState
from siappakai.domain.stores import StoreKind
from siappakai.models.base import Base, KeptWording, state_column, utc_now
from siappakai.models.fleet import Server, Site


class Store(Base):
    """Where backups are kept. `place` says where that is, `secret_sealed` opens it.

    One that was removed stays for what was once in it. `mark` is what lies in it to know it by,
    whatever it is called here. `is_append_only`: it keeps what it has,
    and is pruned by others than the panel. While it cannot be used, `failing_since` and
    `failure` say since when and why.
    """

    __tablename__ = "stores"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(60), unique=True)
    kind: Mapped[StoreKind] = mapped_column(state_column(StoreKind))
    place: Mapped[dict[str, Any]] = mapped_column(default=dict)
    secret_sealed: Mapped[str] = mapped_column(Text, default="")
    mark: Mapped[str | None] = mapped_column(String(32), unique=True)
    is_append_only: Mapped[bool] = mapped_column(default=False)
    failing_since: Mapped[datetime | None]
    failure: Mapped[str] = mapped_column(KeptWording, default="")
    removed_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


class Backup(Base):
    """One backup of a site, as it was taken on `server`.

    `is_spooled`: its file still lies on that server. `expired_at`: the rules let it go, and the
    stores are to forget it. `proof` is what the last proof counted, `proof_message` why it failed.
    """

    __tablename__ = "backups"
    __table_args__ = (
        # With all that the calendar asks: no row, with its manifest, is read for it.
        Index("ix_backups_site_taken", "site_id", "taken_at", "proof_state"),
        Index("ix_backups_server_spooled", "server_id", "is_spooled"),
        # The newest of all that are kept.
        Index("ix_backups_taken", "expired_at", "taken_at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    site_id: Mapped[int] = mapped_column(ForeignKey("sites.id", ondelete="CASCADE"))
    server_id: Mapped[int] = mapped_column(ForeignKey("servers.id", ondelete="CASCADE"))
    run_id: Mapped[int | None] = mapped_column(ForeignKey("runs.id", ondelete="SET NULL"))
    name: Mapped[str] = mapped_column(String(120), unique=True)
    taken_at: Mapped[datetime]
    size: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str] = mapped_column(String(64))
    manifest: Mapped[dict[str, Any]] = mapped_column(default=dict)
    is_spooled: Mapped[bool] = mapped_column(default=True)
    is_held: Mapped[bool] = mapped_column(default=False)
    expired_at: Mapped[datetime | None]
    proof_state: Mapped[ProofState] = mapped_column(
        state_column(ProofState), default=ProofState.UNPROVEN
    )
    proven_at: Mapped[datetime | None]
    proof: Mapped[dict[str, Any]] = mapped_column(default=dict)
    proof_message: Mapped[str] = mapped_column(KeptWording, default="")

    site: Mapped[Site] = relationship()
    server: Mapped[Server] = relationship()
    copies: Mapped[list[BackupCopy]] = relationship(
        back_populates="backup", order_by="BackupCopy.id", passive_deletes=True
    )

    @property
    def is_stored(self) -> bool:
        """Whether some store of ours has it, as it was taken."""
        return any(copy.state is CopyState.STORED for copy in self.copies)

    @property
    def restore_seconds(self) -> float | None:
        """How long its last proof took, from the store to tables that were counted."""
        if "seconds" not in self.proof:
            return None
        seconds: float = self.proof["seconds"] + self.proof.get("brought_seconds", 0.0)
        return round(seconds, 1)


class BackupCopy(Base):
    """A backup in one store, or on its way there."""

    __tablename__ = "backup_copies"
    __table_args__ = (
        UniqueConstraint("backup_id", "store_id"),
        Index("ix_backup_copies_state", "state", "backup_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    backup_id: Mapped[int] = mapped_column(ForeignKey("backups.id", ondelete="CASCADE"))
    store_id: Mapped[int] = mapped_column(ForeignKey("stores.id"), index=True)
    state: Mapped[CopyState] = mapped_column(state_column(CopyState), default=CopyState.WAITING)
    message: Mapped[str] = mapped_column(KeptWording, default="")
    checked_at: Mapped[datetime | None]

    backup: Mapped[Backup] = relationship(back_populates="copies")
    store: Mapped[Store] = relationship()


class RegistryCopy(Base):
    """A backup of this very registry in one store, written there and read back."""

    __tablename__ = "registry_copies"
    __table_args__ = (UniqueConstraint("name", "store_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    store_id: Mapped[int] = mapped_column(ForeignKey("stores.id"), index=True)
    name: Mapped[str] = mapped_column(String(60))
    taken_at: Mapped[datetime] = mapped_column(index=True)
    size: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str] = mapped_column(String(64))
    state: Mapped[CopyState] = mapped_column(state_column(CopyState), default=CopyState.STORED)
    checked_at: Mapped[datetime]

    store: Mapped[Store] = relationship()

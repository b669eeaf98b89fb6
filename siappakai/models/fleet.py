"""Servers and the sites they hold."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from siappakai.domain.states import ServerState, SiteState
from siappakai.models.base import Base, KeptWording, state_column, utc_now
from siappakai.models.places import Village
from siappakai.models.releases import Release


class Server(Base):
    """A machine that holds sites and databases.

    `connection` is `ssh`, or `local` for the machine the worker runs on. `host_key` is the
    pinned public key in known_hosts form (type and base64). `facts` is what the last probe
    saw. `parallelism` limits how many sites are worked on at once. The lookout tries the server
    now and then (`watched_at`); while it cannot get in, `silent_since` says since when and
    `silence` why, as a code. `is_prover`: backups are proven on it; `proof_recipient` is the
    public key that they are sealed for then.
    """

    __tablename__ = "servers"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(60), unique=True)
    connection: Mapped[str] = mapped_column(String(10), default="ssh")
    address: Mapped[str] = mapped_column(String(255))
    port: Mapped[int] = mapped_column(default=22)
    user: Mapped[str] = mapped_column(String(64), default="")
    host_key: Mapped[str] = mapped_column(Text, default="")
    state: Mapped[ServerState] = mapped_column(
        state_column(ServerState), default=ServerState.ENROLLED
    )
    services: Mapped[str] = mapped_column(String(10), default="system")
    prefix: Mapped[str] = mapped_column(String(8), default="sp")
    root: Mapped[str] = mapped_column(String(120), default="/srv/siappakai")
    http_address: Mapped[str] = mapped_column(String(64), default="")
    http_port: Mapped[int] = mapped_column(default=80)
    https_port: Mapped[int] = mapped_column(default=443)
    php_versions: Mapped[list[str]] = mapped_column(default=lambda: ["8.2"])
    parallelism: Mapped[int] = mapped_column(default=2)
    facts: Mapped[dict[str, Any]] = mapped_column(default=dict)
    probed_at: Mapped[datetime | None]
    watched_at: Mapped[datetime | None]
    silent_since: Mapped[datetime | None]
    silence: Mapped[str] = mapped_column(String(40), default="")
    prepared_at: Mapped[datetime | None]
    is_prover: Mapped[bool] = mapped_column(default=False)
    proof_recipient: Mapped[str] = mapped_column(String(80), default="")
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


class Site(Base):
    """One app installed for one village. The `*_sealed` columns open with the key ring only.

    `release` is what it serves, `wanted_release` what the last request asked for. `kept` tells of
    a state that was replaced by a restore and is kept aside until `kept_until`; see
    domain.restores.
    """

    __tablename__ = "sites"
    __table_args__ = (
        UniqueConstraint("village_id", "app"),
        Index("ix_sites_release_state", "release_id", "state"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    village_id: Mapped[int] = mapped_column(ForeignKey("villages.id"), index=True)
    app: Mapped[str] = mapped_column(String(20), default="opensid")
    server_id: Mapped[int] = mapped_column(ForeignKey("servers.id"), index=True)
    domain: Mapped[str] = mapped_column(String(120), unique=True)
    state: Mapped[SiteState] = mapped_column(
        state_column(SiteState), default=SiteState.PLANNED, index=True
    )
    php: Mapped[str] = mapped_column(String(5), default="8.2")
    release_id: Mapped[int | None] = mapped_column(ForeignKey("releases.id"))
    wanted_release_id: Mapped[int | None] = mapped_column(ForeignKey("releases.id"))
    admin_user: Mapped[str] = mapped_column(String(50), default="admin")
    admin_password_sealed: Mapped[str] = mapped_column(Text, default="")
    admin_password_hash: Mapped[str] = mapped_column(String(80), default="")
    db_password_sealed: Mapped[str] = mapped_column(Text, default="")
    app_key_sealed: Mapped[str] = mapped_column(Text, default="")
    certificate: Mapped[str] = mapped_column(String(255), default="")
    certificate_key: Mapped[str] = mapped_column(String(255), default="")
    certificate_expires_at: Mapped[datetime | None]
    kept: Mapped[dict[str, Any]] = mapped_column(default=dict)
    kept_until: Mapped[datetime | None] = mapped_column(index=True)
    message: Mapped[str] = mapped_column(KeptWording, default="")
    checked_at: Mapped[datetime | None]
    installed_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(default=utc_now)

    village: Mapped[Village] = relationship()
    server: Mapped[Server] = relationship()
    release: Mapped[Release | None] = relationship(foreign_keys=[release_id])
    wanted_release: Mapped[Release | None] = relationship(foreign_keys=[wanted_release_id])

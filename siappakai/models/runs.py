"""Runs: one playing of one playbook, its targets, steps, raw log and locks."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from siappakai.domain.states import RunState, StepState
from siappakai.models.base import Base, KeptWording, state_column, utc_now


class Run(Base):
    """One playing of one playbook on one server.

    `token` is given at claim and grows with every run: the fence against orphans.
    `lease_until` is moved on by the worker's heartbeat; `pid` and `pid_started` (clock ticks
    since boot, from /proc) identify the ansible-playbook process on `worker_host`.
    """

    __tablename__ = "runs"
    __table_args__ = (
        Index("ix_runs_state", "state", "id"),
        Index("ix_runs_ended_state", "ended_at", "state"),
        Index("ix_runs_play", "play", "id"),
        Index("ix_runs_requested_by", "requested_by", "id"),
        Index("ix_runs_server", "server_id", "id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    play: Mapped[str] = mapped_column(String(30))
    state: Mapped[RunState] = mapped_column(state_column(RunState), default=RunState.QUEUED)
    server_id: Mapped[int] = mapped_column(ForeignKey("servers.id"))
    options: Mapped[dict[str, Any]] = mapped_column(default=dict)
    requested_by: Mapped[str] = mapped_column(String(80))
    retry_of_id: Mapped[int | None] = mapped_column(ForeignKey("runs.id"))
    cancel_requested: Mapped[bool] = mapped_column(default=False)
    message: Mapped[str] = mapped_column(KeptWording, default="")
    token: Mapped[int] = mapped_column(BigInteger, default=0)
    worker: Mapped[str] = mapped_column(String(120), default="")
    worker_host: Mapped[str] = mapped_column(String(120), default="")
    pid: Mapped[int | None]
    pid_started: Mapped[int | None] = mapped_column(BigInteger)
    lease_until: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]

    targets: Mapped[list[Target]] = relationship(back_populates="run", order_by="Target.id")


class Target(Base):
    """One site's (or server's) share of a run. `error` is a module's machine-readable cause.

    `followed` says that a later run has the same site, or server: the newest target of each is
    found without looking through years of them.
    """

    __tablename__ = "targets"
    __table_args__ = (
        Index("ix_targets_run_state", "run_id", "state"),
        # The newest of a site, and of a server without one, is the last entry.
        Index("ix_targets_site", "site_id", "id", "state"),
        Index("ix_targets_server_site", "server_id", "site_id", "id"),
        Index("ix_targets_newest", "followed", "site_id", "state"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id"))
    server_id: Mapped[int] = mapped_column(ForeignKey("servers.id"))
    site_id: Mapped[int | None] = mapped_column(ForeignKey("sites.id"))
    host: Mapped[str] = mapped_column(String(80))
    label: Mapped[str] = mapped_column(String(255))
    state: Mapped[RunState] = mapped_column(state_column(RunState), default=RunState.QUEUED)
    followed: Mapped[bool] = mapped_column(default=False)
    message: Mapped[str] = mapped_column(KeptWording, default="")
    error: Mapped[dict[str, Any]] = mapped_column(default=dict)
    result: Mapped[dict[str, Any]] = mapped_column(default=dict)
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]

    run: Mapped[Run] = relationship(back_populates="targets")
    steps: Mapped[list[Step]] = relationship(back_populates="target", order_by="Step.id")


class Step(Base):
    """A named stage of a target, in the order it was reached."""

    __tablename__ = "steps"

    id: Mapped[int] = mapped_column(primary_key=True)
    target_id: Mapped[int] = mapped_column(ForeignKey("targets.id"), index=True)
    name: Mapped[str] = mapped_column(String(120))
    state: Mapped[StepState] = mapped_column(state_column(StepState))
    changed: Mapped[bool] = mapped_column(default=False)
    detail: Mapped[str] = mapped_column(KeptWording, default="")
    seconds: Mapped[float] = mapped_column(default=0.0)
    started_at: Mapped[datetime] = mapped_column(default=utc_now)

    target: Mapped[Target] = relationship(back_populates="steps")


class LogChunk(Base):
    """Some lines of a run's raw log, zlib-compressed; `first_line` counts from 0."""

    __tablename__ = "log_chunks"
    __table_args__ = (Index("ix_log_chunks_run_line", "run_id", "first_line"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id"))
    first_line: Mapped[int]
    lines: Mapped[int]
    data: Mapped[bytes] = mapped_column(LargeBinary)


class RunLock(Base):
    """An exclusive lock, taken at claim: `site:88`, `server:12`."""

    __tablename__ = "run_locks"

    key: Mapped[str] = mapped_column(String(40), primary_key=True)
    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id"), index=True)
    taken_at: Mapped[datetime] = mapped_column(default=utc_now)

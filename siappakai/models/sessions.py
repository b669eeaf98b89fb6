"""Browsers that are signed in, and the codes that help when the phone is lost."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from siappakai.models.accounts import User
from siappakai.models.base import Base, utc_now


class LoginSession(Base):
    """One browser in which a person is signed in; its cookie holds what `token_hash` is of.

    It ends at `idle_until`, which moves while it is used, and at `expires_at` in any case.
    `confirmed_at` is when the person last proved who they are; while it `awaits_code` only the
    password was right, and nobody is signed in yet.
    """

    __tablename__ = "login_sessions"

    id: Mapped[int] = mapped_column(primary_key=True)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), index=True)
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    seen_at: Mapped[datetime] = mapped_column(default=utc_now)
    confirmed_at: Mapped[datetime] = mapped_column(default=utc_now)
    idle_until: Mapped[datetime]
    expires_at: Mapped[datetime]
    address: Mapped[str] = mapped_column(String(64))
    browser: Mapped[str] = mapped_column(String(60))
    awaits_code: Mapped[bool] = mapped_column(default=False)

    user: Mapped[User] = relationship()


class RecoveryCode(Base):
    """Lets a person in once, in place of a code of the phone they lost."""

    __tablename__ = "recovery_codes"

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), index=True)
    code_hash: Mapped[str] = mapped_column(String(64))

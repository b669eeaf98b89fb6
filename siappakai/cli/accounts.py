"""`siappakai user`: who may sign in to the panel, with which role."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

import click

from siappakai.cli.asking import password, password_stdin_option
from siappakai.cli.command import Group
from siappakai.cli.context import actor
from siappakai.cli.output import Column, Listing
from siappakai.errors import NotFoundError
from siappakai.models import LoginSession, Role, User
from siappakai.services import accounts, sessions, totp

_ROLES = click.Choice([role.value for role in Role])


@dataclass(frozen=True, slots=True)
class UserRecord:
    """An account of the panel."""

    username: Annotated[str, Column("Pengguna", "name to sign in with")]
    name: Annotated[str, Column("Nama", "name of the person")]
    role: Annotated[str, Column("Peran", "viewer, operator or admin")]
    is_enabled: Annotated[bool, Column("Aktif", "whether it may sign in")]
    must_change_password: Annotated[
        bool, Column("Ganti sandi", "whether a new password is due", is_listed=False)
    ]
    has_totp: Annotated[bool, Column("TOTP", "whether codes of a phone are asked of it")]
    last_login_at: Annotated[datetime | None, Column("Masuk terakhir", "last login")]
    created_at: Annotated[datetime, Column("Dibuat", "when it was made", is_listed=False)]


@dataclass(frozen=True, slots=True)
class NewPassword:
    """A password made for an account; it cannot be shown again. Secret."""

    username: Annotated[str, Column("Pengguna", "name to sign in with")]
    password: Annotated[
        str | None, Column("Kata sandi", "in clear; null when it was given by the caller")
    ]


@dataclass(frozen=True, slots=True)
class SessionRecord:
    """A browser that is signed in."""

    id: Annotated[int, Column("Nomor", "its number")]
    browser: Annotated[str, Column("Peramban", "program and system")]
    address: Annotated[str, Column("Alamat", "where it signed in from")]
    created_at: Annotated[datetime, Column("Masuk", "when it signed in")]
    seen_at: Annotated[datetime, Column("Terakhir dipakai", "last request, to the minute")]
    expires_at: Annotated[datetime, Column("Berakhir", "when it ends at the latest")]


user = Group("user", help="Accounts of the panel and their roles.")


@user.command("list", example="siappakai user list")
def list_users() -> Listing[UserRecord]:
    """List the accounts by username."""
    return Listing.of(_record(one) for one in accounts.list_users())


@user.command("show", example="siappakai user show wayan")
@click.argument("username")
def get_user(username: str) -> UserRecord:
    """Show one account."""
    return _record(user_named(username))


@user.command("first", example="siappakai user first")
def first_user() -> NewPassword:
    """Make the first administrator of a new installation; nothing when there are accounts."""
    made = accounts.ensure_first_admin(by=actor())
    return NewPassword(*(made or ("", "")))


@user.command("add", example='siappakai user add wayan --role operator --name "I Wayan"')
@click.argument("username")
@click.option("--role", type=_ROLES, required=True, help="What the person may do.")
@click.option("--name", default="", help="Name of the person.")
@password_stdin_option
def create_user(username: str, *, role: str, name: str, password_stdin: bool) -> NewPassword:
    """Create an account.

    Without --password-stdin a random password is made, shown once, to be changed at the first
    login.
    """
    chosen = password("Kata sandi", from_stdin=True) if password_stdin else None
    made, text = accounts.create_user(
        username=username, name=name, role=Role(role), password=chosen, by=actor()
    )
    return NewPassword(made.username, None if password_stdin else text)


@user.command("role", changes=True, example="siappakai user role wayan admin")
@click.argument("username")
@click.argument("role", type=_ROLES)
def set_role(username: str, role: str) -> UserRecord:
    """Change what an account may do."""
    return _record(accounts.set_role(user_named(username).id, Role(role), by=actor()))


@user.command("disable", changes=True, example="siappakai user disable wayan")
@click.argument("username")
def disable_user(username: str) -> UserRecord:
    """Shut an account and end its sessions."""
    return _record(accounts.disable_user(user_named(username).id, by=actor()))


@user.command("enable", changes=True, example="siappakai user enable wayan")
@click.argument("username")
def enable_user(username: str) -> UserRecord:
    """Open a disabled account again."""
    return _record(accounts.enable_user(user_named(username).id, by=actor()))


@user.command("sessions", example="siappakai user sessions wayan")
@click.argument("username")
def list_sessions(username: str) -> Listing[SessionRecord]:
    """List the browsers an account is signed in with, the one used last first."""
    return Listing.of(_session(one) for one in sessions.list_live(user_named(username).id))


@user.command("end-sessions", changes=True, example="siappakai user end-sessions wayan")
@click.argument("username")
@click.option("--session", "session_id", type=int, help="Only the session with this number.")
def end_sessions(username: str, session_id: int | None) -> UserRecord:
    """Sign an account out, everywhere or in one browser."""
    found = user_named(username)
    if session_id is None:
        return _record(accounts.end_sessions(found.id, by=actor()))
    sessions.end(found.id, session_id, by=actor())
    return _record(found)


@user.command("reset-totp", changes=True, example="siappakai user reset-totp wayan")
@click.argument("username")
def reset_totp(username: str) -> UserRecord:
    """Forget an account's phone (TOTP), for a person who lost it, and end their sessions."""
    return _record(totp.reset(user_named(username).id, by=actor()))


@user.command("password", example="siappakai user password wayan")
@click.argument("username")
def reset_password(username: str) -> NewPassword:
    """Give an account a random password, shown once, to be changed at the next login."""
    found = user_named(username)
    return NewPassword(found.username, accounts.reset_password(found.id, by=actor()))


def user_named(username: str) -> User:
    """Return an account by its name; raises NotFoundError."""
    found = accounts.find_user(username)
    if found is None:
        raise NotFoundError(f"Pengguna “{username}” tidak ada.", "Lihat: siappakai user list.")
    return found


def _session(found: LoginSession) -> SessionRecord:
    return SessionRecord(
        id=found.id,
        browser=found.browser,
        address=found.address,
        created_at=found.created_at,
        seen_at=found.seen_at,
        expires_at=found.expires_at,
    )


def _record(found: User) -> UserRecord:
    return UserRecord(
        username=found.username,
        name=found.name,
        role=found.role.value,
        is_enabled=found.is_enabled,
        must_change_password=found.must_change_password,
        has_totp=found.totp_since is not None,
        last_login_at=found.last_login_at,
        created_at=found.created_at,
    )

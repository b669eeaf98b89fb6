"""Where every command runs: the settings, the registry, and the name of who acts."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import click
from pydantic import ValidationError
from sqlalchemy.exc import OperationalError, ProgrammingError

from siappakai.config import Settings
from siappakai.errors import InvalidInputError, RefusedError, UnreachableError
from siappakai.models.app import open_registry
from siappakai.models.transactions import transaction

_UMASK = 0o027
# Of root, who lays down programs and settings for others to read.
_MACHINE_UMASK = 0o022


@dataclass(frozen=True, slots=True)
class Caller:
    """Who started this command, on which installation, and whether it is only rehearsed."""

    actor: str
    settings: Settings
    is_rehearsal: bool


class _RehearsedError(Exception):
    """Ends a rehearsal's transaction, so that it is rolled back."""


def actor() -> str:
    """Return who acts, as services and the audit log name people: `cli:` and the Unix user."""
    return _caller().actor


def settings() -> Settings:
    """Return the settings of the installation this command works on."""
    return _caller().settings


def is_rehearsal() -> bool:
    """Tell whether this is a `--dry-run`: nothing is asked, nothing followed."""
    return _caller().is_rehearsal


def _caller() -> Caller:
    caller = click.get_current_context().find_object(Caller)
    if caller is None:
        raise RuntimeError("no command is running")
    return caller


@contextmanager
def installation(*, is_rehearsal: bool) -> Iterator[Caller]:
    """Open the registry of this installation as the user who owns it.

    What a rehearsal writes there is undone at the end, and its jobs are never sent.
    Raises InvalidInputError for a bad setting, RefusedError for a user who may not read the
    installation, UnreachableError when the registry does not answer or has no tables.
    """
    caller = Caller(f"cli:{_user_name(os.getuid())}", _settings(), is_rehearsal)
    try:
        _become_owner(caller.settings)
        with open_registry(caller.settings), _undone(is_on=is_rehearsal):
            yield caller
    except PermissionError as error:
        raise _forbidden(str(error.filename or caller.settings.state)) from error
    except (OperationalError, ProgrammingError) as error:
        raise UnreachableError(
            f"Registri tidak dapat dipakai: {error.orig}",
            "Jalankan: siappakai doctor. Registri baru atau lama: siappakai registry upgrade.",
        ) from error


@contextmanager
def machine(*, is_rehearsal: bool) -> Iterator[Caller]:
    """Stay root, for what concerns the machine; raises RefusedError for anybody else."""
    if os.geteuid() != 0:
        raise RefusedError("Perintah ini hanya untuk root.", "Jalankan dengan sudo.")
    os.umask(_MACHINE_UMASK)
    yield Caller(f"cli:{_user_name(os.getuid())}", _settings(), is_rehearsal)


@contextmanager
def unopened(*, is_rehearsal: bool) -> Iterator[Caller]:
    """Become the user who owns this installation, its registry left closed.

    Raises InvalidInputError for a bad setting, RefusedError for a user who may not read it.
    """
    caller = Caller(f"cli:{_user_name(os.getuid())}", _settings(), is_rehearsal)
    try:
        _become_owner(caller.settings)
        yield caller
    except PermissionError as error:
        raise _forbidden(str(error.filename or caller.settings.state)) from error


@contextmanager
def _undone(*, is_on: bool) -> Iterator[None]:
    if not is_on:
        yield
        return
    with suppress(_RehearsedError), transaction():
        yield
        raise _RehearsedError


def _settings() -> Settings:
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        raise InvalidInputError(
            f"Setelan {name} tidak sah: {first['msg']}.",
            f"Betulkan SIAPPAKAI_{name.upper()} atau siappakai.toml.",
            field=name,
        ) from error
    except PermissionError as error:
        raise _forbidden(str(error.filename)) from error


def _forbidden(path: str) -> RefusedError:
    return RefusedError(
        f"{_user_name(os.geteuid())} tidak boleh memakai {path}.",
        "Jalankan sebagai root atau sebagai pengguna pemilik folder itu.",
    )


def _become_owner(chosen: Settings) -> None:
    """Step down from root to the owner of the state folder.

    Files that root made there (SQLite's WAL, a key ring) would lock panel and workers out.
    """
    os.umask(_UMASK)
    with suppress(FileNotFoundError):
        owner = chosen.state.stat()
        if os.geteuid() == 0 and owner.st_uid != 0:
            os.initgroups(_user_name(owner.st_uid), owner.st_gid)
            os.setgid(owner.st_gid)
            os.setuid(owner.st_uid)


def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)

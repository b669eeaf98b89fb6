"""Panel accounts: who may sign in, with which role."""

from __future__ import annotations

import re
import secrets
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError
from sqlalchemy import func, select

from siappakai.credentials import readable_password
from siappakai.errors import ConflictError, InvalidInputError, NotFoundError, RefusedError
from siappakai.models import Role, User, db
from siappakai.models.transactions import transaction
from siappakai.services import audit, login_throttle, sessions
from siappakai.wording import say

FIRST_ADMIN = "admin"
PASSWORD_MINIMUM = 12
PASSWORD_MAXIMUM = 200

_USERNAME = re.compile(r"[a-z][a-z0-9._-]{1,49}")
_NAME_MAXIMUM = 100
_LANGUAGES = ("id", "en")

_hasher = PasswordHasher()


def create_user(
    *, username: str, name: str = "", role: Role, password: str | None = None, by: str
) -> tuple[User, str]:
    """Create an account; return it and its password, made here unless one is given.

    A password made here must be changed at the first login. Raises InvalidInputError naming
    the field, ConflictError when the username is taken.
    """
    username = username.strip().lower()
    _check_username(username)
    _check_name(name)
    chosen = password if password is not None else readable_password()
    _check_password(chosen, username)
    with transaction() as session:
        if find_user(username) is not None:
            raise ConflictError(
                say("Nama pengguna “%(username)s” sudah dipakai.", username=username),
                say("Pilih nama lain."),
            )
        user = User(
            username=username,
            name=name.strip(),
            role=role,
            password_hash=_hasher.hash(chosen),
            must_change_password=password is None,
        )
        session.add(user)
        audit.record("user.create", username, by=by, detail={"role": role.value})
    return user, chosen


def ensure_first_admin(*, by: str, username: str = FIRST_ADMIN) -> tuple[str, str] | None:
    """Create the first administrator when there is no account at all.

    Return its username and random password, to be shown once; None when accounts exist.
    """
    with transaction():
        if db.session.scalar(select(func.count()).select_from(User)):
            return None
        user, password = create_user(username=username, role=Role.ADMIN, by=by)
    return user.username, password


def authenticate(username: str, password: str, *, address: str) -> User:
    """Return the account that `username` and `password` open; sessions.begin signs it in.

    Raises RefusedError for a wrong pair or a disabled account, without saying which, and
    login_throttle.TooManyAttemptsError after too many failures.
    """
    username = username.strip().lower()
    login_throttle.check(username, address)
    user = find_user(username)
    nobody = _hash_of_nobody()
    fits = _fits(user.password_hash if user is not None else nobody, password)
    if user is None or not fits or not user.is_enabled:
        login_throttle.note_failure(user.username if user is not None else None, address)
        raise RefusedError(
            say("Nama pengguna atau kata sandi salah."),
            say("Periksa lagi, atau minta admin mengatur ulang kata sandi."),
        )
    if _hasher.check_needs_rehash(user.password_hash):
        with transaction():
            user.password_hash = _hasher.hash(password)
    return user


def prove(user_id: int, password: str, *, address: str) -> None:
    """Let a person who is signed in prove it with their password once more.

    Raises RefusedError for a wrong one, login_throttle.TooManyAttemptsError after too many.
    """
    user = get_user(user_id)
    login_throttle.check(user.username, address)
    if not _fits(user.password_hash, password):
        login_throttle.note_failure(user.username, address)
        raise RefusedError(
            say("Kata sandi salah."), say("Ketik kata sandi yang Anda pakai untuk masuk.")
        )


@cache
def _hash_of_nobody() -> str:
    """Return what is verified for an unknown username: the answer takes as long as for a known.

    Made at the first login of a process and not at import, which every command would pay for.
    """
    return _hasher.hash(secrets.token_urlsafe())


def change_password(user_id: int, *, current: str, new: str, address: str, by: str) -> User:
    """Set a new password chosen by its owner; every session of theirs ends.

    Raises InvalidInputError (field `current` or `password`), and
    login_throttle.TooManyAttemptsError after too many wrong ones.
    """
    user = get_user(user_id)
    login_throttle.check(user.username, address)
    if not _fits(user.password_hash, current):
        login_throttle.note_failure(user.username, address)
        raise InvalidInputError(
            say("Kata sandi sekarang salah."),
            say("Ketik kata sandi yang Anda pakai."),
            field="current",
        )
    with transaction():
        if new == current:
            raise InvalidInputError(
                say("Kata sandi baru sama dengan yang lama."),
                say("Pilih yang lain."),
                field="password",
            )
        _check_password(new, user.username)
        _set_password(user, new)
        user.must_change_password = False
        audit.record("user.change_password", user.username, by=by)
    return user


def reset_password(user_id: int, *, by: str) -> str:
    """Give an account a random password, to be changed at the next login; return it."""
    password = readable_password()
    with transaction():
        user = get_user(user_id)
        _set_password(user, password)
        user.must_change_password = True
        audit.record("user.reset_password", user.username, by=by)
    return password


def set_role(user_id: int, role: Role, *, by: str) -> User:
    """Change what an account may do; raises RefusedError for the last administrator."""
    with transaction():
        user = get_user(user_id)
        if role is not Role.ADMIN:
            _keep_an_admin(user)
        user.role = role
        audit.record("user.set_role", user.username, by=by, detail={"role": role.value})
    return user


def disable_user(user_id: int, *, by: str) -> User:
    """Shut an account and end its sessions; raises RefusedError for the last administrator."""
    with transaction():
        user = get_user(user_id)
        _keep_an_admin(user)
        user.is_enabled = False
        sessions.drop_all(user.id)
        audit.record("user.disable", user.username, by=by)
    return user


def enable_user(user_id: int, *, by: str) -> User:
    """Open a disabled account again."""
    with transaction():
        user = get_user(user_id)
        user.is_enabled = True
        audit.record("user.enable", user.username, by=by)
    return user


def end_sessions(user_id: int, *, by: str) -> User:
    """Sign an account out everywhere."""
    with transaction():
        user = get_user(user_id)
        sessions.drop_all(user.id)
        audit.record("user.end_sessions", user.username, by=by)
    return user


def set_language(user_id: int, language: str, *, by: str) -> User:
    """Remember the language (`id` or `en`) an account reads."""
    if language not in _LANGUAGES:
        raise InvalidInputError(
            say("Bahasa tidak dikenal."), say("Pilih id atau en."), field="language"
        )
    with transaction():
        user = get_user(user_id)
        user.language = language
        audit.record("user.set_language", user.username, by=by, detail={"language": language})
    return user


def get_user(user_id: int) -> User:
    """Return an account; raises NotFoundError."""
    user = db.session.get(User, user_id)
    if user is None:
        raise NotFoundError(say("Pengguna tidak ada."), say("Kembali ke daftar pengguna."))
    return user


def find_user(username: str) -> User | None:
    """Return the account with this username, or None."""
    return db.session.scalar(select(User).where(User.username == username.strip().lower()))


def list_users() -> list[User]:
    """Return every account, by username."""
    return list(db.session.scalars(select(User).order_by(User.username)))


def _fits(stored: str, password: str) -> bool:
    try:
        return _hasher.verify(stored, password)
    except (VerifyMismatchError, InvalidHashError):
        return False


def _set_password(user: User, password: str) -> None:
    user.password_hash = _hasher.hash(password)
    sessions.drop_all(user.id)


def _keep_an_admin(user: User) -> None:
    others = select(func.count()).where(
        User.role == Role.ADMIN, User.is_enabled.is_(True), User.id != user.id
    )
    if user.role is Role.ADMIN and user.is_enabled and not db.session.scalar(others):
        raise RefusedError(
            say("“%(username)s” adalah admin terakhir.", username=user.username),
            say("Buat admin lain lebih dahulu."),
        )


def _check_username(username: str) -> None:
    if _USERNAME.fullmatch(username) is None:
        raise InvalidInputError(
            say("Nama pengguna “%(username)s” tidak sah.", username=username),
            say("Pakai 2 sampai 50 huruf kecil, angka, titik, garis; diawali huruf."),
            field="username",
        )


def _check_name(name: str) -> None:
    if len(name.strip()) > _NAME_MAXIMUM:
        raise InvalidInputError(
            say("Nama terlalu panjang."),
            say("Paling banyak %(name_maximum)s huruf.", name_maximum=_NAME_MAXIMUM),
            field="name",
        )


def _check_password(password: str, username: str) -> None:
    if not PASSWORD_MINIMUM <= len(password) <= PASSWORD_MAXIMUM:
        raise InvalidInputError(
            say("Panjang kata sandi tidak sesuai."),
            say(
                "Pakai %(password_minimum)s sampai %(password_maximum)s karakter.",
                password_minimum=PASSWORD_MINIMUM,
                password_maximum=PASSWORD_MAXIMUM,
            ),
            field="password",
        )
    if username in password.lower():
        raise InvalidInputError(
            say("Kata sandi memuat nama pengguna."), say("Pilih yang lain."), field="password"
        )

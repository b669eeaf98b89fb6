"""The second step of a login: codes of a phone (TOTP), and recovery codes for when it is lost."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from typing import Final

import pyotp
from sqlalchemy import delete, select

from siappakai.credentials import load_key_ring
from siappakai.errors import ConflictError, InvalidInputError, RefusedError
from siappakai.models import RecoveryCode, User, db, utc_now
from siappakai.models.app import current_settings
from siappakai.models.transactions import transaction
from siappakai.services import accounts, audit, login_throttle, sessions
from siappakai.wording import say

RECOVERY_CODES: Final = 10

_ISSUER = "SiapPakai"
_STEP_SECONDS = 30
# Phones whose clock is a little wrong are let in.
_STEPS_AROUND = (-1, 0, 1)
_DIGITS = 6
# 80 random bits each: a plain hash cannot be guessed back. No letters that look alike.
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
_GROUPS, _GROUP_LENGTH = 4, 4


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What a person's phone must learn: the secret, and the address a QR code shows."""

    secret: str
    uri: str


def begin(user_id: int, *, by: str) -> None:
    """Make a secret for a person, in force once they type its first code.

    Raises ConflictError when codes are asked of them already.
    """
    with transaction():
        user = accounts.get_user(user_id)
        if user.totp_since is not None:
            raise ConflictError(
                say("Kode dua langkah sudah aktif."), say("Matikan dahulu untuk mengganti.")
            )
        # Read inside: whoever changes the key waits for this transaction or comes before it.
        ring = load_key_ring(current_settings().credentials_file)
        user.totp_sealed = ring.seal(pyotp.random_base32())
        audit.record("totp.begin", user.username, by=by)


def enrolment(user_id: int) -> Enrolment | None:
    """Return what the phone must learn; None before `begin` and once codes are in force."""
    user = accounts.get_user(user_id)
    if user.totp_since is not None or not user.totp_sealed:
        return None
    codes = _codes(user)
    return Enrolment(codes.secret, codes.provisioning_uri(name=user.username, issuer_name=_ISSUER))


def confirm(user_id: int, code: str, *, by: str) -> list[str]:
    """Put codes into force with a first one; return the recovery codes, to be shown once.

    Raises InvalidInputError (field `code`), ConflictError when nothing was begun.
    """
    with transaction():
        user = _locked(user_id)
        if user.totp_since is not None or not user.totp_sealed:
            raise ConflictError(
                say("Pengaturan kode belum dimulai."), say("Mulai lagi dari halaman akun.")
            )
        if not _fits(user, _plain(code)):
            raise InvalidInputError(
                say("Kode tidak cocok."),
                say("Periksa jam ponsel, lalu ketik kode terbaru."),
                field="code",
            )
        user.totp_since = utc_now()
        audit.record("totp.enable", user.username, by=by)
        return _replace_recovery_codes(user)


def prove(user_id: int, code: str, *, address: str) -> None:
    """Accept a code of the phone or a recovery code, each once.

    Raises RefusedError for a wrong one, login_throttle.TooManyAttemptsError after too many.
    """
    user = accounts.get_user(user_id)
    login_throttle.check_code(user.username)
    with transaction():
        user = _locked(user_id)
        plain = _plain(code)
        if _fits(user, plain) or _uses_recovery_code(user, plain):
            return
    login_throttle.note_code_failure(user.username, address)
    raise RefusedError(
        say("Kode salah atau sudah dipakai."),
        say("Tunggu kode berikutnya, atau pakai kode pemulihan."),
    )


def new_recovery_codes(user_id: int, *, by: str) -> list[str]:
    """Replace a person's recovery codes; return the new ones, to be shown once."""
    with transaction():
        user = accounts.get_user(user_id)
        if user.totp_since is None:
            raise ConflictError(say("Kode dua langkah belum aktif."), say("Aktifkan dahulu."))
        audit.record("totp.new_recovery_codes", user.username, by=by)
        return _replace_recovery_codes(user)


def switch_off(user_id: int, *, by: str) -> None:
    """Ask no codes of a person any more."""
    with transaction():
        _forget(user := accounts.get_user(user_id))
        audit.record("totp.disable", user.username, by=by)


def reset(user_id: int, *, by: str) -> User:
    """Forget the phone a person lost, and end their sessions."""
    with transaction():
        _forget(user := accounts.get_user(user_id))
        sessions.drop_all(user.id)
        audit.record("user.reset_totp", user.username, by=by)
    return user


def _forget(user: User) -> None:
    user.totp_sealed, user.totp_since = "", None
    db.session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user.id))


def _locked(user_id: int) -> User:
    """Return the account as it is now; the same code twice at once must wait for itself."""
    user = accounts.get_user(user_id)
    db.session.refresh(user, with_for_update=True)
    return user


def _codes(user: User) -> pyotp.TOTP:
    ring = load_key_ring(current_settings().credentials_file)
    return pyotp.TOTP(ring.unseal(user.totp_sealed), digits=_DIGITS, interval=_STEP_SECONDS)


def _fits(user: User, code: str) -> bool:
    if len(code) != _DIGITS or not user.totp_sealed:
        return False
    codes = _codes(user)
    now = int(utc_now().timestamp()) // _STEP_SECONDS
    for step in (now + around for around in _STEPS_AROUND):
        # A step that was used, or one before it, is a replay.
        if step > user.totp_step and hmac.compare_digest(codes.generate_otp(step), code):
            user.totp_step = step
            return True
    return False


def _uses_recovery_code(user: User, code: str) -> bool:
    wanted = (RecoveryCode.user_id == user.id, RecoveryCode.code_hash == _hash(code))
    found = db.session.scalar(select(RecoveryCode).where(*wanted))
    if found is None:
        return False
    db.session.delete(found)
    audit.record("totp.use_recovery_code", user.username, by=user.username)
    return True


def _replace_recovery_codes(user: User) -> list[str]:
    db.session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user.id))
    made = [_recovery_code() for _ in range(RECOVERY_CODES)]
    rows = [RecoveryCode(user_id=user.id, code_hash=_hash(_plain(code))) for code in made]
    db.session.add_all(rows)
    return made


def _recovery_code() -> str:
    groups = [
        "".join(secrets.choice(_ALPHABET) for _ in range(_GROUP_LENGTH)) for _ in range(_GROUPS)
    ]
    return "-".join(groups)


def _plain(code: str) -> str:
    return "".join(letter for letter in code.lower() if letter.isalnum() and letter.isascii())


def _hash(code: str) -> str:
    return hashlib.sha256(code.encode()).hexdigest()

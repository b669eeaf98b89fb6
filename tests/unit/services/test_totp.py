"""Codes of a phone: set up with a first one, each taken once, and codes for when it is lost."""

from datetime import UTC, datetime, timedelta

import pyotp
import pytest
from sqlalchemy import func, select

from siappakai.errors import ConflictError, InvalidInputError, RefusedError
from siappakai.models import AuditEntry, LoginSession, RecoveryCode, User, db
from siappakai.services import login_throttle, sessions, totp
from siappakai.services.login_throttle import TooManyAttemptsError
from tests.factories import BY, make_user

pytestmark = pytest.mark.usefixtures("registry")
HERE = "192.0.2.7"
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


class Phone:
    """What a person's phone shows, at a time of its own."""

    def __init__(self, user: User, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = NOON
        monkeypatch.setattr(totp, "utc_now", lambda: self.now)
        totp.begin(user.id, by=user.username)
        self.secret = totp.enrolment(user.id).secret

    def code(self, *, seconds: int = 0) -> str:
        return pyotp.TOTP(self.secret).at(self.now + timedelta(seconds=seconds))

    def wait(self, seconds: int = 30) -> None:
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def user() -> User:
    return make_user("ketut")


@pytest.fixture
def phone(user: User, monkeypatch: pytest.MonkeyPatch) -> Phone:
    return Phone(user, monkeypatch)


@pytest.fixture
def codes(user: User, phone: Phone) -> list[str]:
    """Recovery codes of a person whose phone is in force."""
    made = totp.confirm(user.id, phone.code(), by="ketut")
    phone.wait()
    return made


def test_nothing_is_in_force_before_the_first_right_code(user: User, phone: Phone):
    assert user.totp_since is None
    assert totp.enrolment(user.id).uri.startswith("otpauth://totp/SiapPakai:ketut?secret=")
    with pytest.raises(InvalidInputError, match="tidak cocok") as caught:
        totp.confirm(user.id, "000000", by="ketut")
    assert caught.value.field == "code"

    made = totp.confirm(user.id, phone.code(), by="ketut")
    assert len(set(made)) == totp.RECOVERY_CODES
    assert user.totp_since is not None
    assert totp.enrolment(user.id) is None
    for again in (totp.begin, totp.confirm):
        with pytest.raises(ConflictError):
            again(user.id, *([phone.code()] if again is totp.confirm else []), by="ketut")


def test_the_secret_is_sealed_and_recovery_codes_are_hashed(
    user: User, phone: Phone, codes: list[str]
):
    kept = [row.code_hash for row in db.session.scalars(select(RecoveryCode))]
    trail = str([(row.subject, row.detail) for row in db.session.scalars(select(AuditEntry))])

    assert phone.secret not in user.totp_sealed
    assert len(kept) == totp.RECOVERY_CODES
    for code in codes:
        assert code not in trail
        assert code not in kept
        assert code.replace("-", "") not in kept
    assert phone.secret not in trail


def test_a_code_is_taken_once(user: User, phone: Phone, codes: list[str]):
    code = phone.code()
    totp.prove(user.id, code, address=HERE)
    for _ in range(2):
        with pytest.raises(RefusedError, match="sudah dipakai"):
            totp.prove(user.id, code, address=HERE)
        phone.wait(5)
    phone.wait()
    totp.prove(user.id, phone.code(), address=HERE)


def test_the_code_of_the_setup_does_not_sign_in(user: User, phone: Phone):
    code = phone.code()
    totp.confirm(user.id, code, by="ketut")
    with pytest.raises(RefusedError):
        totp.prove(user.id, code, address=HERE)


def test_an_earlier_code_is_refused_after_a_later_one(user: User, phone: Phone, codes: list[str]):
    phone.wait(300)
    earlier = phone.code(seconds=-30)
    totp.prove(user.id, phone.code(), address=HERE)
    with pytest.raises(RefusedError):
        totp.prove(user.id, earlier, address=HERE)


@pytest.mark.parametrize(("seconds", "fits"), [(-60, False), (-30, True), (30, True), (90, False)])
def test_a_clock_may_be_half_a_minute_wrong(
    user: User, phone: Phone, codes: list[str], seconds: int, fits
):
    phone.wait(300)
    code = phone.code(seconds=seconds)
    if fits:
        totp.prove(user.id, code, address=HERE)
    else:
        with pytest.raises(RefusedError):
            totp.prove(user.id, code, address=HERE)


def test_a_recovery_code_lets_in_once_however_it_is_typed(user: User, codes: list[str]):
    totp.prove(user.id, codes[0].upper().replace("-", " "), address=HERE)
    with pytest.raises(RefusedError):
        totp.prove(user.id, codes[0], address=HERE)
    totp.prove(user.id, codes[1], address=HERE)

    assert db.session.scalar(select(func.count(RecoveryCode.id))) == totp.RECOVERY_CODES - 2


def test_a_recovery_code_is_its_owners_alone(user: User, codes: list[str]):
    other = make_user("made")
    with pytest.raises(RefusedError):
        totp.prove(other.id, codes[0], address=HERE)
    totp.prove(user.id, codes[0], address=HERE)


def test_new_recovery_codes_replace_the_old(user: User, codes: list[str]):
    fresh = totp.new_recovery_codes(user.id, by="ketut")
    with pytest.raises(RefusedError):
        totp.prove(user.id, codes[0], address=HERE)
    totp.prove(user.id, fresh[0], address=HERE)
    with pytest.raises(ConflictError):
        totp.new_recovery_codes(make_user("made").id, by="made")


def test_guessing_codes_is_slowed_down_from_wherever_it_comes(
    user: User, phone: Phone, codes: list[str]
):
    for number in range(login_throttle.PER_ACCOUNT_CODES):
        with pytest.raises(RefusedError):
            totp.prove(user.id, "000000", address=f"192.0.2.{number}")
    with pytest.raises(TooManyAttemptsError):
        totp.prove(user.id, phone.code(), address=HERE)


def test_switched_off_and_reset_nothing_is_left(user: User, phone: Phone, codes: list[str]):
    sessions.begin(user.id, address=HERE, browser="")
    totp.switch_off(user.id, by="ketut")
    assert (user.totp_sealed, user.totp_since) == ("", None)
    assert db.session.scalar(select(func.count(RecoveryCode.id))) == 0
    assert db.session.scalar(select(func.count(LoginSession.id))) == 1
    totp.reset(user.id, by=BY)
    assert db.session.scalar(select(func.count(LoginSession.id))) == 0


def test_a_login_that_waits_for_its_code_is_no_session(user: User):
    token = sessions.await_code(user.id, address=HERE, browser="")

    assert sessions.find(token) is None
    assert sessions.find_waiting(token).user_id == user.id
    assert sessions.list_live(user.id) == []
    assert sessions.find_waiting(sessions.begin(user.id, address=HERE, browser="")) is None

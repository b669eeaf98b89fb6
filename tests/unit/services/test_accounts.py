import pytest
from argon2 import PasswordHasher
from sqlalchemy import func, select

from siappakai.errors import ConflictError, InvalidInputError, NotFoundError, RefusedError
from siappakai.models import AuditEntry, Role, User, db, utc_now
from siappakai.services import accounts, login_throttle, sessions
from siappakai.services.login_throttle import TooManyAttemptsError
from tests.factories import BY, PASSWORD, make_user

pytestmark = pytest.mark.usefixtures("registry")
HERE = "192.0.2.7"


def _actions() -> list[str]:
    return list(db.session.scalars(select(AuditEntry.action).order_by(AuditEntry.id)))


def test_the_first_admin_is_made_once_with_a_password_of_ours():
    made = accounts.ensure_first_admin(by="make run")
    assert made is not None
    username, password = made

    assert accounts.authenticate(username, password, address=HERE).role is Role.ADMIN
    assert accounts.ensure_first_admin(by="make run") is None
    assert db.session.scalar(select(func.count(User.id))) == 1


def test_passwords_are_stored_as_argon2id():
    assert make_user().password_hash.startswith("$argon2id$")


def test_an_old_hash_is_made_anew_at_the_login():
    user = make_user("ketut")
    user.password_hash = PasswordHasher(time_cost=1, memory_cost=1024).hash(PASSWORD)
    db.session.commit()
    weak = user.password_hash
    accounts.authenticate("ketut", PASSWORD, address=HERE)

    assert user.password_hash != weak
    assert accounts.authenticate("ketut", PASSWORD, address=HERE) is user


def test_a_closed_account_does_not_open():
    make_user("admin")
    user = make_user("ketut", Role.OPERATOR)
    token = sessions.begin(user.id, address=HERE, browser="")
    accounts.disable_user(user.id, by=BY)

    assert sessions.find(token) is None
    with pytest.raises(RefusedError, match="salah"):
        accounts.authenticate("ketut", PASSWORD, address=HERE)
    accounts.enable_user(user.id, by=BY)
    assert accounts.authenticate("ketut", PASSWORD, address=HERE) is user


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("username", {"username": "A b"}),
        ("username", {"username": "x"}),
        ("username", {"username": "-o"}),
        ("name", {"name": "n" * 101}),
        ("password", {"password": "short"}),
        ("password", {"password": "p" * 201}),
        ("password", {"password": "ketut-ketut-ketut"}),
    ],
)
def test_bad_input_names_its_field(field: str, values: dict[str, str]):
    given = {"username": "ketut", "password": PASSWORD, **values}
    with pytest.raises(InvalidInputError) as caught:
        accounts.create_user(**given, role=Role.VIEWER, by=BY)

    assert caught.value.field == field
    assert accounts.list_users() == []


def test_a_username_is_given_once():
    make_user("ketut")
    with pytest.raises(ConflictError, match="sudah dipakai"):
        make_user("Ketut ")


def test_the_present_password_is_not_guessed_on_the_page_that_changes_it():
    user = make_user("ketut")

    def guess() -> None:
        accounts.change_password(user.id, current="tebakan", new="x", address=HERE, by="x")

    for _ in range(login_throttle.PER_PAIR):
        with pytest.raises(InvalidInputError):
            guess()
    with pytest.raises(TooManyAttemptsError):
        guess()


def test_a_new_password_ends_the_other_sessions():
    user = make_user("ketut")
    token = sessions.begin(user.id, address=HERE, browser="")
    accounts.change_password(
        user.id, current=PASSWORD, new="sawah hijau subak", address=HERE, by="ketut"
    )

    assert sessions.find(token) is None
    assert accounts.authenticate("ketut", "sawah hijau subak", address=HERE) is user
    with pytest.raises(InvalidInputError, match="sekarang salah"):
        accounts.change_password(
            user.id, current=PASSWORD, new="gunung batukaru", address=HERE, by="ketut"
        )
    same = "sawah hijau subak"
    with pytest.raises(InvalidInputError, match="sama dengan"):
        accounts.change_password(user.id, current=same, new=same, address=HERE, by="ketut")


def test_a_reset_password_must_be_changed():
    user = make_user("ketut")
    password = accounts.reset_password(user.id, by=BY)

    assert user.must_change_password
    assert accounts.authenticate("ketut", password, address=HERE) is user


def test_the_last_admin_keeps_role_and_account():
    only = make_user("admin")
    for refused in (
        lambda: accounts.disable_user(only.id, by=BY),
        lambda: accounts.set_role(only.id, Role.VIEWER, by=BY),
    ):
        with pytest.raises(RefusedError, match="admin terakhir"):
            refused()
    make_user("second")
    accounts.set_role(only.id, Role.VIEWER, by=BY)
    assert only.role is Role.VIEWER


def test_every_change_is_in_the_trail_and_no_password_is():
    user = make_user("ketut")
    accounts.end_sessions(user.id, by=BY)
    accounts.set_language(user.id, "en", by=BY)
    password = accounts.reset_password(user.id, by=BY)
    trail = str([(e.action, e.subject, e.detail) for e in db.session.scalars(select(AuditEntry))])

    assert _actions() == [
        "user.create",
        "user.end_sessions",
        "user.set_language",
        "user.reset_password",
    ]
    assert password not in trail
    assert PASSWORD not in trail


def test_an_unknown_account_and_language_are_refused():
    user = make_user()
    with pytest.raises(NotFoundError):
        accounts.get_user(user.id + 1)
    with pytest.raises(InvalidInputError, match="Bahasa"):
        accounts.set_language(user.id, "xx", by=BY)


def test_failures_are_counted_by_pair_address_and_account(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(login_throttle, "PER_ADDRESS", 7)
    monkeypatch.setattr(login_throttle, "PER_ACCOUNT", 8)
    for _ in range(5):
        login_throttle.note_failure("ketut", HERE)
    with pytest.raises(TooManyAttemptsError):
        login_throttle.check("ketut", HERE)
    login_throttle.check("made", HERE)
    login_throttle.check("ketut", "192.0.2.8")

    login_throttle.note_failure(None, HERE)
    login_throttle.note_failure(None, HERE)
    with pytest.raises(TooManyAttemptsError):
        login_throttle.check("made", HERE)
    for _ in range(3):
        login_throttle.note_failure("ketut", "192.0.2.9")
    with pytest.raises(TooManyAttemptsError):
        login_throttle.check("ketut", "192.0.2.10")


def test_a_password_typed_as_a_username_is_not_written_down():
    with pytest.raises(RefusedError):
        accounts.authenticate("MySecretPassword1", "x", address=HERE)

    subjects = list(db.session.scalars(select(AuditEntry.subject)))
    assert subjects == ["?"]


def test_old_failures_are_forgiven(monkeypatch: pytest.MonkeyPatch):
    for _ in range(6):
        login_throttle.note_failure("ketut", HERE)
    later = utc_now() + login_throttle.WINDOW
    monkeypatch.setattr(login_throttle, "utc_now", lambda: later)

    login_throttle.check("ketut", HERE)

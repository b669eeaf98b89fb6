"""Sessions live in the registry, so that they can be listed, run out and be ended."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select

from siappakai.domain.browsers import browser_words
from siappakai.errors import NotFoundError
from siappakai.models import AuditEntry, LoginSession, db, utc_now
from siappakai.services import accounts, sessions, settings
from tests.factories import BY, make_user

pytestmark = pytest.mark.usefixtures("registry")
HERE = "192.0.2.7"


def _begin(user_id: int) -> str:
    return sessions.begin(user_id, address=HERE, browser="Firefox/128 Windows")


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch):
    """Move the clock of the sessions on."""
    passed = [timedelta()]

    def move(**by: float) -> None:
        passed[0] += timedelta(**by)
        db.session.rollback()
        db.session.expire_all()

    monkeypatch.setattr(sessions, "utc_now", lambda: utc_now() + passed[0])
    return move


def test_a_login_is_noted_and_the_secret_itself_is_not_kept():
    user = make_user("ketut")
    token = _begin(user.id)
    found = sessions.find(token)
    entry = db.session.scalars(select(AuditEntry).order_by(AuditEntry.id.desc())).first()

    assert found is not None
    assert (found.user.username, found.address, found.browser) == (
        "ketut",
        HERE,
        "Firefox · Windows",
    )
    assert token not in str([vars(row) for row in db.session.scalars(select(LoginSession))])
    assert user.last_login_at is not None
    assert (entry.action, entry.detail["address"]) == ("login.succeed", HERE)
    assert sessions.find(token + "x") is None
    assert sessions.find("") is None


def test_a_session_ends_when_it_is_not_used(later):
    token = _begin(make_user().id)
    later(minutes=119)
    assert sessions.find(token) is not None
    later(minutes=2)
    assert sessions.find(token) is None


def test_a_session_that_is_used_goes_on_until_its_latest_end(later):
    token = _begin(make_user().id)
    for _ in range(11):
        later(hours=1)
        found = sessions.find(token)
        assert found is not None
        sessions.keep_alive(found)
    later(hours=1, seconds=1)
    assert sessions.find(token) is None


def test_a_shorter_rule_holds_for_sessions_there_are(later):
    token = _begin(make_user().id)
    settings.put(settings.SESSION_HOURS, 1, by=BY)
    settings.put(settings.SESSION_IDLE_MINUTES, 5, by=BY)
    later(minutes=50)
    sessions.keep_alive(sessions.find(token))
    later(minutes=6)
    assert sessions.find(token) is None


def test_the_last_use_is_written_at_most_once_a_minute(later):
    token = _begin(make_user().id)
    first = sessions.find(token).seen_at
    later(seconds=59)
    sessions.keep_alive(sessions.find(token))
    assert sessions.find(token).seen_at == first
    later(seconds=2)
    sessions.keep_alive(sessions.find(token))
    assert sessions.find(token).seen_at > first


def test_sessions_that_ran_out_are_not_listed_and_forgotten_at_the_next_login(later):
    user = make_user()
    _begin(user.id)
    later(hours=13)
    assert sessions.list_live(user.id) == []
    _begin(user.id)
    assert db.session.scalar(select(func.count(LoginSession.id))) == 1


def test_one_session_is_ended_and_nobody_ends_anothers():
    mine, theirs = make_user("ketut"), make_user("made")
    kept, ended, foreign = _begin(mine.id), _begin(mine.id), _begin(theirs.id)
    number = sessions.find(ended).id
    with pytest.raises(NotFoundError):
        sessions.end(mine.id, sessions.find(foreign).id, by="ketut")
    sessions.end(mine.id, number, by="ketut")

    assert sessions.find(ended) is None
    assert sessions.find(kept) is not None
    assert sessions.find(foreign) is not None
    with pytest.raises(NotFoundError):
        sessions.end(mine.id, number, by="ketut")


def test_all_others_are_ended_at_once():
    user, other = make_user("ketut"), make_user("made")
    kept, ended, foreign = _begin(user.id), _begin(user.id), _begin(other.id)
    sessions.end_others(user.id, sessions.find(kept).id, by="ketut")

    assert [bool(sessions.find(token)) for token in (kept, ended, foreign)] == [True, False, True]
    accounts.end_sessions(user.id, by=BY)
    assert sessions.find(kept) is None


@pytest.mark.parametrize(
    ("header", "words"),
    [
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/140.0 Safari/537.36 Edg/140.0",
            "Edge · Windows",
        ),
        ("Mozilla/5.0 (Linux; Android 14) Chrome/140 Mobile Safari/537.36", "Chrome · Android"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 14) Version/17 Safari/605", "Safari · macOS"),
        (
            "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
            "Firefox · Linux",
        ),
        ("curl/8.5", "?"),
        ("", "?"),
    ],
)
def test_browsers_are_named_in_words(header: str, words: str):
    assert browser_words(header) == words

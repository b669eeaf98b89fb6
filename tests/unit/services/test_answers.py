"""A request with an `Idempotency-Key` is done once."""

from datetime import timedelta

import pytest
from sqlalchemy import func, insert, select

from siappakai.errors import ConflictError, NotFoundError
from siappakai.models import KeptAnswer, Village, db, utc_now
from siappakai.services import answers, tokens, villages
from siappakai.services.answers import Answer
from tests.databases import every_database
from tests.factories import BY, make_district, make_user

pytestmark = pytest.mark.usefixtures("registry")
KEY = "0f7c-2026-11-22"


def _token() -> int:
    return tokens.create_token(make_user().id, name="x", scopes=["runs:read"], days=1, by=BY)[0].id


def _register() -> Answer:
    made = villages.register_village(code="5102012001", name="Bajera", by=BY)
    return Answer(201, {"code": made.code})


def _count(model: type) -> int:
    return db.session.scalar(select(func.count()).select_from(model)) or 0


@every_database
def test_the_second_time_nothing_is_done_and_the_same_is_answered():
    make_district()
    token = _token()
    first = answers.once(token, KEY, "a", _register)
    second = answers.once(token, KEY, "a", _register)

    assert (first.status, first.body, first.is_repeated) == (201, {"code": "5102012001"}, False)
    assert (second.status, second.body, second.is_repeated) == (201, first.body, True)
    assert _count(Village) == 1


def test_another_request_under_the_same_key_is_refused():
    make_district()
    token = _token()
    answers.once(token, KEY, "a", _register)
    with pytest.raises(ConflictError, match="permintaan lain"):
        answers.once(token, KEY, "b", _register)


def test_a_key_is_a_tokens_own():
    one, two = _token(), _token()
    told = [answers.once(token, KEY, "a", lambda: Answer(200, {})) for token in (one, two)]

    assert [answer.is_repeated for answer in told] == [False, False]


def test_what_failed_can_be_tried_again():
    token = _token()

    def fail() -> Answer:
        raise NotFoundError("x")

    with pytest.raises(NotFoundError):
        answers.once(token, KEY, "a", fail)
    assert _count(KeptAnswer) == 0
    assert not answers.once(token, KEY, "a", lambda: Answer(200, {})).is_repeated


@pytest.mark.parametrize(
    "registry",
    [
        pytest.param("postgresql", marks=pytest.mark.integration),
        pytest.param("mariadb", marks=pytest.mark.soak),
    ],
    indirect=True,
)
def test_of_two_at_once_the_later_one_does_nothing():
    """On registries that let two writers in; SQLite has them wait for each other."""
    make_district()
    token = _token()
    row = {"token_id": token, "key": KEY, "request_hash": "a", "status": 200, "body": {}}

    def overtaken() -> Answer:
        with db.engine.begin() as other:
            other.execute(insert(KeptAnswer).values(**row, created_at=utc_now()))
        return _register()

    with pytest.raises(ConflictError, match="sedang dikerjakan"):
        answers.once(token, KEY, "a", overtaken)
    assert _count(Village) == 0
    assert answers.once(token, KEY, "a", _register).is_repeated


def test_an_answer_is_kept_for_a_day(monkeypatch: pytest.MonkeyPatch):
    token = _token()
    answers.once(token, KEY, "a", lambda: Answer(200, {}))
    later = utc_now() + answers.KEPT_FOR + timedelta(seconds=1)
    monkeypatch.setattr(answers, "utc_now", lambda: later)

    assert not answers.once(token, KEY, "b", lambda: Answer(200, {})).is_repeated
    assert _count(KeptAnswer) == 1

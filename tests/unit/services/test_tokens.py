"""API tokens: what is kept of them, who may have which, when they end."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from siappakai.domain.tokens import LONGEST_DAYS, Scope, TokenState, read_token
from siappakai.errors import InvalidInputError, NotFoundError, RefusedError
from siappakai.models import ApiToken, AuditEntry, Base, Role, db, utc_now
from siappakai.services import accounts, permissions, tokens
from siappakai.services.login_throttle import TooManyAttemptsError
from siappakai.services.tokens import TokenRefusedError
from tests.factories import BY, make_user

pytestmark = pytest.mark.usefixtures("registry")
HERE = "192.0.2.1"


def _make(user_id: int, *, name: str = "Laporan", days: int = 90) -> tuple[ApiToken, str]:
    return tokens.create_token(user_id, name=name, scopes=["runs:read"], days=days, by=BY)


def _everything() -> str:
    """All that is in the registry, as text."""
    db.session.rollback()
    tables = Base.metadata.sorted_tables
    return str([db.session.execute(select(table)).all() for table in tables])


def test_only_a_hash_is_kept_and_the_trail_has_nothing_of_the_secret():
    token, text = _make(make_user("wayan").id)
    secret = text.rpartition("_")[2]
    tokens.authenticate(text, address=HERE)
    tokens.revoke_token(token.id, by=BY)
    with pytest.raises(TokenRefusedError):
        tokens.authenticate(text, address=HERE)

    kept = _everything()
    assert len(text) == len("siappakai_") + 8 + 1 + 43
    assert text not in kept
    assert secret not in kept
    assert token.token_hash in kept
    actions = list(db.session.scalars(select(AuditEntry.action).order_by(AuditEntry.id)))
    assert actions == ["user.create", "token.create", "token.revoke", "token.fail"]
    subjects = set(db.session.scalars(select(AuditEntry.subject)))
    assert subjects == {"wayan", f"wayan:{token.handle}"}


def test_no_two_tokens_are_alike():
    user = make_user()
    made = [_make(user.id)[1] for _ in range(20)]

    assert len({text.split("_")[1] for text in made}) == 20
    assert len({text.rpartition("_")[2] for text in made}) == 20
    assert all(read_token(text) for text in made)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": " "}, "name"),
        ({"name": 61 * "a"}, "name"),
        ({"name": "a\0b"}, "name"),
        ({"days": 0}, "days"),
        ({"days": LONGEST_DAYS + 1}, "days"),
        ({"scopes": []}, "scopes"),
        ({"scopes": ["villages:read", "everything"]}, "scopes"),
        ({"scopes": ["sites:remove"]}, "scopes"),
    ],
)
def test_a_bad_token_is_refused_and_nothing_is_made(changes: dict[str, object], field: str):
    user = make_user(role=Role.OPERATOR)
    wanted = {"name": "Laporan", "scopes": ["runs:read"], "days": 1, **changes}
    with pytest.raises(InvalidInputError) as refused:
        tokens.create_token(user.id, by=BY, **wanted)

    assert refused.value.field == field
    assert tokens.list_tokens() == []


def test_each_role_gives_what_it_may_do_itself():
    within = {role: set(permissions.scopes_within(role)) for role in Role}

    assert within[Role.VIEWER] < within[Role.OPERATOR] < within[Role.ADMIN] == set(Scope)
    assert {scope.value for scope in within[Role.VIEWER]} == {
        "villages:read",
        "servers:read",
        "releases:read",
        "runs:read",
        "alerts:read",
    }


def test_a_closed_account_gets_no_token():
    make_user()
    user = make_user(role=Role.VIEWER)
    accounts.disable_user(user.id, by=BY)
    with pytest.raises(RefusedError):
        _make(user.id)
    with pytest.raises(NotFoundError):
        _make(9_999)


def test_each_end_has_its_own_words(monkeypatch: pytest.MonkeyPatch):
    make_user()
    user = make_user(role=Role.VIEWER)
    (revoked, one), (expired, two), (_, three) = (_make(user.id, days=1) for _ in range(3))
    tokens.revoke_token(revoked.id, by=BY)
    later = utc_now() + timedelta(days=1)

    with pytest.raises(TokenRefusedError, match="dicabut"):
        tokens.authenticate(one, address=HERE)
    assert tokens.authenticate(two, address=HERE).id == expired.id
    assert tokens.state_of(expired) is TokenState.LIVE
    assert tokens.state_of(expired, later) is TokenState.EXPIRED
    assert tokens.state_of(revoked, later) is TokenState.REVOKED
    accounts.disable_user(user.id, by=BY)
    with pytest.raises(TokenRefusedError, match="ditutup"):
        tokens.authenticate(three, address=HERE)
    monkeypatch.setattr(tokens, "utc_now", lambda: later)
    with pytest.raises(TokenRefusedError, match="habis"):
        tokens.authenticate(two, address=HERE)


@pytest.mark.parametrize("text", ["", "x", "siappakai_", "siappakai_00000000_" + 43 * "A"])
def test_what_is_unknown_is_told_alike(text: str):
    _make(make_user().id)
    with pytest.raises(TokenRefusedError, match="tidak dikenal"):
        tokens.authenticate(text, address=HERE)


def test_failures_are_counted_by_address_and_end_with_the_window(monkeypatch: pytest.MonkeyPatch):
    text = _make(make_user().id)[1]
    for _ in range(20):
        with pytest.raises(TokenRefusedError):
            tokens.authenticate("x", address=HERE)
    with pytest.raises(TooManyAttemptsError):
        tokens.authenticate("x", address=HERE)
    with pytest.raises(TokenRefusedError):
        tokens.authenticate("x", address="192.0.2.2")
    assert tokens.authenticate(text, address=HERE)
    later = utc_now() + timedelta(minutes=16)
    monkeypatch.setattr("siappakai.services.login_throttle.utc_now", lambda: later)
    with pytest.raises(TokenRefusedError):
        tokens.authenticate("x", address=HERE)


def test_a_token_is_revoked_once_by_its_owner_or_an_admin():
    owner, other = make_user(), make_user()
    token, _ = _make(owner.id)
    with pytest.raises(NotFoundError):
        tokens.revoke_token(token.id, by=BY, owner_id=other.id)
    with pytest.raises(NotFoundError):
        tokens.revoke_token(token.id + 1, by=BY)
    first = tokens.revoke_token(token.id, by=BY, owner_id=owner.id).revoked_at

    assert tokens.revoke_token(token.id, by=BY).revoked_at == first
    revoked = select(AuditEntry).where(AuditEntry.action == "token.revoke")
    assert len(db.session.scalars(revoked).all()) == 1


def test_the_list_is_of_a_person_or_of_all_newest_first():
    one, two = make_user(), make_user()
    made = [_make(user.id)[0].id for user in (one, two, one)]

    assert [token.id for token in tokens.list_tokens()] == made[::-1]
    assert [token.id for token in tokens.list_tokens(one.id)] == [made[2], made[0]]

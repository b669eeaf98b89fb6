"""Tokens of the API on the command line."""

from siappakai.models import Role
from siappakai.services import tokens
from tests.factories import make_user
from tests.unit.cli.conftest import Call

WORDS = ("token", "create", "wayan", "--name", "Laporan", "--scope", "villages:read", "--days")


def test_a_token_is_made_shown_once_listed_and_revoked(siappakai: Call):
    make_user("wayan", Role.VIEWER)
    made = siappakai(*WORDS, "30", "--json").json
    listed = siappakai("token", "list", "--user", "wayan", "--json")

    assert tokens.authenticate(made["text"], address="192.0.2.1").user.username == "wayan"
    assert listed.json["items"] == [made["token"]]
    assert made["text"] not in listed.out
    number = str(made["token"]["id"])
    assert siappakai("token", "revoke", number, "--json").json["state"] == "revoked"
    assert siappakai("token", "list", "--json").json["items"][0]["state"] == "revoked"
    trail = siappakai("audit", "list", "--action", "token.", "--json")
    assert [one["action"] for one in trail.json["items"]] == ["token.revoke", "token.create"]
    assert made["text"].rpartition("_")[2] not in trail.out


def test_a_rehearsal_makes_and_shows_no_token(siappakai: Call):
    make_user("wayan", Role.VIEWER)
    said = siappakai(*WORDS, "30", "--dry-run", "--json")

    assert (said.exit_code, said.json["text"]) == (0, None)
    assert siappakai("token", "list", "--json").json["items"] == []


def test_a_bad_wish_is_refused(siappakai: Call):
    make_user("wayan", Role.VIEWER)
    words = list(WORDS)
    words[words.index("villages:read")] = "sites:remove"

    assert siappakai(*words, "30", "--json").error["field"] == "scopes"
    assert siappakai(*WORDS, "366").exit_code == 2
    assert siappakai("token", "revoke", "99").exit_code == 3
    assert siappakai("token", "list", "--user", "nobody").exit_code == 3

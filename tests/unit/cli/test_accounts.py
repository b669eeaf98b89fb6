"""Accounts, settings, audit, registry."""

import pyotp
import pytest

from siappakai.models import Role
from siappakai.services import accounts, rotation, sessions, settings, totp
from tests.factories import PASSWORD, make_site, make_user
from tests.unit.cli.conftest import Call


def test_an_account_is_made_with_a_password_from_standard_input(siappakai: Call):
    words = ["user", "add", "wayan", "--role", "operator", "--name", "I Wayan"]
    said = siappakai(*words, "--password-stdin", "--json", stdin=f"{PASSWORD}\n")
    assert said.json == {"username": "wayan", "password": None}
    assert PASSWORD not in said.out + said.err
    user = accounts.authenticate("wayan", PASSWORD, address="192.0.2.1")
    assert (user.role, user.must_change_password) == (Role.OPERATOR, False)


def test_a_password_made_here_is_shown_once_and_must_be_changed(siappakai: Call):
    said = siappakai("user", "add", "ketut", "--role", "viewer", "--json")
    assert accounts.authenticate("ketut", said.json["password"], address="192.0.2.1")
    assert siappakai("user", "show", "ketut", "--json").json["must_change_password"]
    new = siappakai("user", "password", "ketut", "--json").json["password"]
    assert new != said.json["password"]
    assert accounts.authenticate("ketut", new, address="192.0.2.1")


@pytest.mark.parametrize(
    ("name", "stdin", "field"),
    [("a b", PASSWORD, "username"), ("wayan", "pendek", "password"), ("wayan", "", "password")],
)
def test_a_bad_account_is_refused(siappakai: Call, name: str, stdin: str, field: str):
    words = ["user", "add", name, "--role", "viewer", "--password-stdin", "--json"]
    said = siappakai(*words, stdin=stdin)
    assert (said.exit_code, said.error["field"]) == (2, field)
    assert siappakai("user", "list", "--json").json["items"] == []


def test_roles_and_sessions_are_changed(siappakai: Call):
    make_user("made")
    make_user("wayan", Role.VIEWER)
    assert siappakai("user", "role", "wayan", "admin", "--json").json["role"] == "admin"
    user = accounts.find_user("wayan")
    for _ in range(3):
        sessions.begin(user.id, address="192.0.2.9", browser="Firefox Linux")
    listed = siappakai("user", "sessions", "wayan", "--json").json["items"]
    assert {one["browser"] for one in listed} == {"Firefox · Linux"}
    number = str(listed[0]["id"])
    assert siappakai("user", "end-sessions", "wayan", "--session", number).exit_code == 0
    assert siappakai("user", "end-sessions", "made", "--session", number).exit_code == 3
    assert len(sessions.list_live(user.id)) == 2
    assert siappakai("user", "end-sessions", "wayan").exit_code == 0
    assert sessions.list_live(user.id) == []
    assert siappakai("user", "disable", "wayan", "--json").json["is_enabled"] is False
    assert siappakai("user", "enable", "wayan", "--json").json["is_enabled"] is True
    assert siappakai("user", "role", "nobody", "admin").exit_code == 3


def test_the_last_admin_stays(siappakai: Call):
    make_user("made")
    assert siappakai("user", "disable", "made").exit_code == 5
    assert siappakai("user", "role", "made", "viewer").exit_code == 5


def test_settings_are_shown_and_changed(siappakai: Call):
    keys = [item["key"] for item in siappakai("settings", "get", "--json").json["items"]]
    assert keys == list(settings.KEYS)
    assert siappakai("settings", "set", "drain", "on", "--json").json["value"] is True
    assert settings.is_draining()
    assert siappakai("settings", "set", "parallelism", "12", "--json").json["value"] == 12
    reset = siappakai("settings", "set", "parallelism", "default", "--json")
    assert reset.json["value"] is None
    (one,) = siappakai("settings", "get", "drain", "--json").json["items"]
    assert one == {"key": "drain", "value": True}


@pytest.mark.parametrize(
    ("key", "value"), [("bogus", "1"), ("drain", "1"), ("parallelism", "0"), ("timezone", "Mars")]
)
def test_a_bad_setting_names_its_key(siappakai: Call, key: str, value: str):
    said = siappakai("settings", "set", key, value, "--json")
    assert (said.exit_code, said.error["field"]) == (2, key)


def test_the_trail_is_filtered(siappakai: Call):
    siappakai("settings", "set", "drain", "on")
    make_user("wayan")
    (entry,) = siappakai("audit", "list", "--action", "setting.", "--json").json["items"]
    assert (entry["subject"], entry["detail"]) == ("drain", {"before": False, "after": True})
    assert siappakai("audit", "list", "--actor", "nobody", "--json").json["total"] == 0


def test_a_lost_phone_is_forgotten(siappakai: Call):
    user = make_user("wayan")
    totp.begin(user.id, by="wayan")
    code = pyotp.TOTP(totp.enrolment(user.id).secret).now()
    totp.confirm(user.id, code, by="wayan")

    assert siappakai("user", "show", "wayan", "--json").json["has_totp"] is True
    assert siappakai("user", "reset-totp", "wayan", "--dry-run", "--json").exit_code == 0
    assert accounts.find_user("wayan").totp_since is not None
    assert siappakai("user", "reset-totp", "wayan", "--json").json["has_totp"] is False


def test_the_key_of_the_secrets_is_changed(siappakai: Call, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(rotation, "_SETTLE_SECONDS", 0)
    site = make_site()
    before = site.db_password_sealed
    assert siappakai("registry", "rotate-key").exit_code == 5
    said = siappakai("registry", "rotate-key", "--yes", "--json")

    assert said.json == {"resealed": 3, "resumed": False}
    assert site.db_password_sealed != before

"""Servers, releases and sites."""

import pytest

from siappakai.domain.states import ServerState, SiteState
from siappakai.models import db
from siappakai.services import runs, sites
from tests.factories import make_release, make_server, make_site, make_village
from tests.unit.cli.conftest import Call


def test_servers_are_listed_and_shown(siappakai: Call):
    make_server("satu", facts={"warnings": ["Waktu meleset."]})
    (listed,) = siappakai("server", "list", "--json").json["items"]
    assert (listed["name"], listed["state"], listed["sites"]) == ("satu", "ready", 0)
    assert siappakai("server", "list", "--query", "SAT", "--json").json["items"] == [listed]
    assert siappakai("server", "list", "--query", "192.0.2.1", "--json").json["items"] == [listed]
    assert siappakai("server", "list", "--query", "dua", "--json").json["items"] == []
    assert siappakai("server", "show", "satu", "--json").json["warnings"] == ["Waktu meleset."]
    assert siappakai("server", "show", "dua").exit_code == 3


def test_a_server_is_changed(siappakai: Call):
    make_server("satu")
    said = siappakai("server", "update", "satu", "--parallelism", "7", "--name", "dua", "--json")
    assert (said.json["name"], said.json["parallelism"]) == ("dua", 7)
    said = siappakai("server", "update", "dua", "--parallelism", "99", "--json")
    assert said.error["field"] == "parallelism"


def test_a_server_is_prepared_by_a_run(siappakai: Call):
    make_server("satu")
    said = siappakai("server", "prepare", "satu", "--json")
    (run,) = said.json["items"]
    assert (run["play"], run["state"], run["progress"]) == ("server", "queued", {"queued": 1})


def test_a_rehearsed_run_is_not_written_down(siappakai: Call):
    make_server("satu")
    said = siappakai("server", "prepare", "satu", "--dry-run", "--follow", "--json")
    assert said.json["items"][0]["play"] == "server"
    assert runs.list_runs().total == 0


def test_a_server_is_forgotten_with_consent_only(siappakai: Call):
    make_server("satu")
    assert siappakai("server", "forget", "satu", "--json").error["kind"] == "refused"
    assert siappakai("server", "forget", "satu", "--yes").exit_code == 0
    assert siappakai("server", "list", "--json").json["items"] == []


def test_a_server_with_sites_is_not_forgotten(siappakai: Call):
    make_site(server=make_server("satu"))
    assert siappakai("server", "forget", "satu", "--yes").exit_code == 4


def test_a_server_that_is_gone_is_abandoned_by_number_only(siappakai: Call):
    make_site(server=make_server("satu"))
    said = siappakai("server", "abandon", "satu", "--count", "1", "--dry-run", "--json")
    assert said.json == {"name": "satu", "sites": 1}
    assert siappakai("server", "abandon", "satu", "--json").error["field"] == "count"
    assert siappakai("server", "abandon", "satu", "--count", "3").exit_code == 2
    assert siappakai("server", "abandon", "satu", "--count", "1").exit_code == 0
    assert siappakai("server", "list", "--json").json["items"] == []


def test_enrolling_asks_for_a_confirmed_fingerprint(siappakai: Call):
    said = siappakai("server", "enrol", "satu", "192.0.2.1", "--user", "admin", "--json")
    assert (said.exit_code, said.error["field"]) == (2, "fingerprint")


def test_enrolling_asks_for_a_password(siappakai: Call):
    words = ["server", "enrol", "satu", "192.0.2.1", "--user", "admin", "--fingerprint", "SHA256:x"]
    assert siappakai(*words, "--json").error["field"] == "password"
    assert siappakai(*words, "--password-stdin", "--json", stdin="\n").error["field"] == "password"


def test_a_bad_address_is_named(siappakai: Call):
    assert siappakai("server", "inspect", "-oProxy", "--json").exit_code == 2
    assert siappakai("server", "inspect", "a b", "--json").error["field"] == "address"


def test_the_key_of_the_panel_is_shown(siappakai: Call):
    shown = siappakai("server", "key", "--json").json["public_key"]
    assert shown.startswith("ssh-ed25519 ")
    assert siappakai("server", "key").out.strip().endswith(shown)


def test_releases_are_listed_shown_and_seen(siappakai: Call):
    make_release("v2409.0.0")
    make_release("v2410.0.0")
    listed = siappakai("release", "list", "--json").json["items"]
    assert [item["version"] for item in listed] == ["v2410.0.0", "v2409.0.0"]
    seen = siappakai("release", "php-seen", "v2410.0.0", "8.3", "--json").json
    assert seen["php_versions"] == ["8.2", "8.3"]
    assert siappakai("release", "php-seen", "v2410.0.0", "x", "--json").error["field"] == "php"
    assert siappakai("release", "show", "v2501.0.0").exit_code == 3
    assert siappakai("release", "pin", "main", "--json").error["field"] == "version"


def test_the_source_is_switched(siappakai: Call):
    assert siappakai("release", "source", "--json").json["stand_in"] is False
    assert siappakai("release", "source", "--use", "stand-in", "--json").json["stand_in"] is True


def plan(siappakai: Call, code: str, *more: str):
    words = ["site", "plan", code, "--server", "satu", "--domain", "bajera.desa.id"]
    return siappakai(*words, *more, "--json")


def test_a_site_is_planned_and_shown(siappakai: Call):
    make_server("satu")
    make_release()
    code = make_village().code
    planned = plan(siappakai, code, "--release", "v2410.0.0")
    assert (planned.json["state"], planned.json["wanted_release"]) == ("planned", "v2410.0.0")
    assert siappakai("site", "show", code, "--json").json == planned.json
    assert siappakai("site", "list", "--server", "satu", "--json").json["total"] == 1


def test_a_site_is_planned_with_a_certificate(siappakai: Call):
    make_server("satu")
    village = make_village()
    chain, key = "/etc/ssl/desa/chain.pem", "/etc/ssl/desa/key.pem"
    planned = plan(siappakai, village.code, "--certificate", chain, "--certificate-key", key)

    assert planned.exit_code == 0
    site = sites.find_site(village.id)
    assert (site.certificate, site.certificate_key) == (chain, key)
    assert plan(siappakai, village.code).exit_code == 0
    db.session.expire_all()
    assert sites.find_site(village.id).certificate == ""


@pytest.mark.parametrize(
    ("words", "exit_code"),
    [
        (["--domain", "tanpa titik"], 2),
        (["--php", "7.4"], 2),
        (["--release", "v2410.0.0"], 3),
        (["--server", "dua"], 3),
        (["--certificate", "/etc/ssl/desa/chain.pem"], 2),
    ],
)
def test_a_site_is_not_planned_amiss(siappakai: Call, words: list[str], exit_code: int):
    make_server("satu")
    assert plan(siappakai, make_village().code, *words).exit_code == exit_code


def test_a_village_without_a_site_is_said_so(siappakai: Call):
    said = siappakai("site", "show", make_village().code, "--json")
    assert said.exit_code == 3
    assert "siappakai site plan" in said.error["todo"]


def test_sites_are_installed_by_name_or_filter(siappakai: Call):
    release = make_release()
    first, second = make_site(), make_site(make_village())
    assert (first.state, second.state) == (SiteState.PLANNED, SiteState.PLANNED)
    words = ["site", "install", "--release", release.version, "--json"]
    (run,) = siappakai(*words, first.village.code).json["items"]
    assert run["targets"] == 1
    (run,) = siappakai(*words, "--state", "planned", "--server", first.server.name).json["items"]
    assert run["targets"] == 2


@pytest.mark.parametrize("words", [[], ["51.02.01.2001", "--state", "active"]])
def test_a_selection_is_names_or_a_filter(siappakai: Call, words: list[str]):
    make_release()
    said = siappakai("site", "install", "--release", "v2410.0.0", "--json", *words)
    assert (said.exit_code, said.error["field"]) == (2, "codes")


def test_a_filter_that_matches_nothing_is_an_error(siappakai: Call):
    assert siappakai("site", "health", "--state", "broken", "--json").error["field"] == "codes"


def test_nothing_is_installed_on_a_server_that_is_not_ready(siappakai: Call):
    site = make_site(server=make_server(state=ServerState.ENROLLED))
    make_release()
    said = siappakai("site", "install", site.village.code, "--release", "v2410.0.0")
    assert said.exit_code == 5
    assert runs.list_runs().total == 0


def test_removing_wants_the_number_of_sites(siappakai: Call):
    code = make_site(release=make_release()).village.code
    assert siappakai("site", "remove", code, "--json").error["field"] == "count"
    assert siappakai("site", "remove", code, "--count", "2", "--json").exit_code == 2
    assert siappakai("site", "remove", code, "--dry-run").exit_code == 0
    assert runs.list_runs().total == 0
    (run,) = siappakai("site", "remove", code, "--count", "1", "--json").json["items"]
    assert run["play"] == "remove"


def test_the_login_of_a_site_is_shown_and_audited(siappakai: Call):
    site = make_site()
    shown = siappakai("site", "password", site.village.code, "--json").json
    assert (shown["domain"], shown["user"]) == (site.domain, "admin")
    assert len(shown["password"]) >= 12
    (entry,) = siappakai("audit", "list", "--action", "site.reveal", "--json").json["items"]
    assert entry["subject"] == site.village.code


def test_a_site_gets_a_certificate_later(siappakai: Call):
    site = make_site(release=make_release())
    code, chain, key = site.village.code, "/etc/ssl/desa/chain.pem", "/etc/ssl/desa/key.pem"
    words = ["site", "certificate", code, "--certificate", chain, "--certificate-key"]
    assert siappakai(*words, "", "--json").error["field"] == "certificate_key"
    assert siappakai(*words, key).exit_code == 0
    db.session.refresh(site)
    assert (site.certificate, site.certificate_key) == (chain, key)

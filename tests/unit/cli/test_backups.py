"""`siappakai backup` and `siappakai store` over a registry."""

from siappakai.models import db
from tests.factories import make_release, make_server, make_site
from tests.unit.cli.conftest import Call
from tests.unit.services.test_backups import make_backup, make_store


def test_a_village_is_backed_up_once_there_is_a_key_and_a_store(siappakai: Call):
    code = make_site(release=make_release()).village.code
    refused = siappakai("backup", "take", code, "--json")
    assert refused.exit_code == 5
    assert "make-key" in refused.error["todo"]
    made = siappakai("backup", "make-key", "--json").json
    assert made["private"].startswith("AGE-SECRET-KEY-1")
    assert siappakai("backup", "make-key").exit_code == 4
    make_store()
    asked = siappakai("backup", "take", "--all", "--json").json["items"]
    assert [(run["play"], run["state"]) for run in asked] == [("backup", "queued")]


def test_backups_are_listed_held_and_pruned(siappakai: Call):
    make_store()
    site = make_site(release=make_release())
    backup = make_backup(site)
    (row,) = siappakai("backup", "list", site.village.code, "--json").json["items"]
    assert (row["id"], row["stores"], row["proof"]) == (
        backup.id,
        {"gudang": "stored"},
        "unproven",
    )
    held = siappakai("backup", "hold", str(backup.id), "--json").json
    assert held["is_held"]
    (judged,) = siappakai("backup", "prune", "--dry-run", "--json").json["items"]
    assert (judged["goes"], judged["reason"]) == (False, "held")
    assert not siappakai("backup", "release", str(backup.id), "--json").json["is_held"]


def test_a_store_is_tried_out_before_it_is_kept(siappakai: Call):
    refused = siappakai(
        *("store", "add-bucket", "awan", "http://127.0.0.1:1", "--bucket", "cadangan"),
        *("--access-key", "kunci", "--password-stdin", "--json"),
        stdin="rahasia\n",
    )
    assert refused.exit_code == 6
    assert "rahasia" not in refused.err
    assert siappakai("store", "list", "--json").json["items"] == []


def test_a_store_that_alone_has_a_backup_is_not_forgotten(siappakai: Call):
    make_store()
    make_backup(make_site(release=make_release()))
    assert siappakai("store", "remove", "gudang", "--yes").exit_code == 5


def test_a_prover_is_dismissed(siappakai: Call):
    server = make_server("bukti", is_prover=True, proof_recipient="age1example")
    said = siappakai("backup", "prover", "bukti", "--dismiss", "--json")
    assert (said.exit_code, said.json["items"]) == (0, [])
    db.session.rollback()
    assert not server.is_prover
    assert server.proof_recipient

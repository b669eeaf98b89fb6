"""`siappakai gabungan` over a registry."""

from pathlib import Path

from siappakai.models.transactions import transaction
from siappakai.services import merge_notes
from tests.factories import make_release, make_server, make_site
from tests.unit.cli.conftest import Call


def make(siappakai: Call) -> None:
    """Have a gabungan made."""
    server, release = make_server("pusat"), make_release()
    asked = siappakai(
        *("gabungan", "init", "--server", server.name, "--release", release.version),
        *("--share-all", "full", "--document", "470/1", "--json"),
    )
    (run,) = asked.json["items"]
    assert (run["play"], run["state"]) == ("gabungan", "queued")
    with transaction() as session:
        merge_notes.note(session, run["id"], {"unknown": []})


def test_nothing_is_merged_before_there_is_a_gabungan(siappakai: Call) -> None:
    refused = siappakai("gabungan", "merge", "--all", "--json")
    assert refused.exit_code != 0
    assert "gabungan init" in refused.error["todo"]


def test_a_consent_must_be_decided_with_it(siappakai: Call) -> None:
    make_server("pusat")
    version = make_release().version
    words = ("gabungan", "init", "--server", "pusat", "--release", version, "--json")
    assert siappakai(*words, "--document", "470/1").error["field"] == "share"
    assert siappakai(*words, "--share-all", "full").error["field"] == "document"


def test_villages_are_merged_and_their_freshness_is_shown(siappakai: Call) -> None:
    make(siappakai)
    village = make_site(release=make_release()).village
    (run,) = siappakai("gabungan", "merge", "--all", "--json").json["items"]
    assert (run["play"], run["targets"]) == ("merge", 1)
    report = {
        "state": "merged",
        "tables": {"artikel": [2, 2, "sent"], "data_persil": [1, 0, "unknown"]},
        "statistics": {"penduduk": 7},
        "quality": ["duplicate: klasifikasi_surat.2"],
    }
    with transaction() as session:
        merge_notes.note(session, run["id"], {f"opensid-{village.code}": report})
    status = siappakai("gabungan", "status", "--json").json
    (row,) = status["villages"]
    assert (row["config_id"], row["residents"], row["rows"]) == (1, 7, 2)
    assert row["unknown"] == ["data_persil"]
    assert "data_persil" in siappakai("gabungan", "status").out
    assert row["quality"] == ["duplicate: klasifikasi_surat.2"]
    assert row["merged_at"] == row["checked_at"]
    assert village.name in siappakai("gabungan", "status").out


def test_a_village_decides_for_itself(siappakai: Call) -> None:
    make(siappakai)
    village = make_site(release=make_release()).village
    decided = siappakai(
        *("gabungan", "consent", "--village", village.code, "--share", "surat=withheld"),
        *("--document", "471", "--json"),
    ).json
    assert (decided["code"], decided["shares"]["surat"]) == (village.code, "withheld")
    assert decided["shares"]["artikel"] == "full"


def test_pause_verify_purge_and_users(siappakai: Call) -> None:
    make(siappakai)
    code = make_site(release=make_release()).village.code
    assert siappakai("gabungan", "pause", "--json").json["is_paused"]
    assert siappakai("gabungan", "merge", code, "--json").exit_code != 0
    assert not siappakai("gabungan", "resume", "--json").json["is_paused"]
    siappakai("gabungan", "merge", code)
    (proof,) = siappakai("gabungan", "verify", "--json").json["items"]
    assert proof["play"] == "verify"
    assert siappakai("gabungan", "purge", code, "--count", "2", "--json").exit_code != 0
    (purge,) = siappakai("gabungan", "purge", code, "--count", "1", "--json").json["items"]
    assert purge["play"] == "withdraw"
    users = siappakai("gabungan", "users", "--json").json["items"]
    assert [user["user"][-2:] for user in users] == ["_r", "_w"]
    assert all(len(user["password"]) == 40 for user in users)


def test_a_village_comes_out_only_where_it_is(siappakai: Call, tmp_path: Path) -> None:
    make(siappakai)
    code, file = make_site(release=make_release()).village.code, tmp_path / "desa.zip"
    words = ("gabungan", "extract", code, str(file), "--json")
    assert "tidak ada di gabungan" in siappakai(*words).error["what"]
    assert siappakai(*words, "--server", "pusat").error["field"] == "database"
    foreign = (*words, "--server", "pusat", "--database", "../x")
    assert siappakai(*foreign).error["field"] == "database"
    assert not file.exists()

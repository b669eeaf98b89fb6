"""A backup is restored over a village that runs: beside it first, then both change places."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from playbooks.module_utils import aside, journals
from playbooks.module_utils.adoption import Upload, adopt
from playbooks.module_utils.aside import MARKER
from playbooks.module_utils.mariadb import State
from playbooks.module_utils.outcome import Refusal, Steps
from playbooks.module_utils.restoring import forget, look, restore, undo
from tests.restores import LATER, NEW_PHOTO, OLD_PHOTO, Village, with_mistake

pytestmark = [
    pytest.mark.integration,
    pytest.mark.patient,
    pytest.mark.skipif(os.geteuid() != 0, reason="sites are restored as root"),
    pytest.mark.timeout(900),
]


@pytest.fixture
def village(lived_in: Village) -> Iterator[Village]:
    yield from with_mistake(lived_in)


def test_a_look_tells_what_would_change_and_changes_nothing(village: Village) -> None:
    told = look(village.order(), village.wish, Steps())
    assert {"table": "tweb_penduduk", "now": 1, "then": 2} in told.tables
    assert told.same > 100
    assert (told.blocks, told.left_out) == ([], 0)
    assert village.is_now()
    assert village.traces() == []


def test_a_village_is_restored_and_taken_back_again(village: Village) -> None:
    village.kept_by_app.write_text("lain")
    restore(village.order(), village.asks(run=7), Steps())
    assert village.is_then()
    assert (village.uploads / "..aneh\n\\nama.jpg").read_bytes() == b"nama ganjil"
    assert (village.uploads / "tema.php").is_file(), "what was the village's own comes back"
    journal = journals.read(village.host.site.folder)
    assert journal is not None
    assert (journal.run, journal.serving, journal.until) == (7, "new", LATER)
    with pytest.raises(Refusal) as refusal:
        restore(village.order(), village.wish, Steps())
    assert refusal.value.code == "state_kept"
    assert village.kept_by_app.read_text() == "isi"
    village.take_back(8)
    assert village.is_now()
    assert village.kept_by_app.read_text() == "lain"
    village.take_back(9)
    assert village.is_then(), "what was taken back can be had again"
    assert village.forget()
    assert not village.forget()
    assert village.traces() == []
    assert village.is_then()
    with pytest.raises(Refusal) as refusal:
        village.take_back(10)
    assert refusal.value.code == "nothing_kept"


def test_only_what_was_meant_is_taken_back_or_forgotten(village: Village) -> None:
    restore(village.order(), village.asks(run=7), Steps())
    with pytest.raises(Refusal, match="comes from run 7, not from run 6"):
        undo(village.order(), 8, LATER, 6, Steps())
    with pytest.raises(Refusal, match="comes from run 7, not from run 6"):
        forget(village.order(), 6)
    assert village.is_then()
    village.take_back(8)
    with pytest.raises(Refusal, match="not from run 7"):
        undo(village.order(), 9, LATER, 7, Steps())
    assert village.is_now()


def test_somebody_elses_database_is_not_taken_for_what_is_aside(village: Village) -> None:
    other = f"{village.database}_old"
    village.fleet.query(f"CREATE DATABASE `{other}`")
    try:
        with pytest.raises(Refusal, match="that no restore made"):
            restore(village.order(), village.wish, Steps())
        assert village.is_now()
        assert village.fleet.query(f"SHOW DATABASES LIKE '{other}'") == [(other,)]
    finally:
        village.fleet.query(f"DROP DATABASE `{other}`")


@pytest.mark.parametrize(
    ("scope", "people", "photo"),
    [
        ("database", ["Made", "Wayan"], NEW_PHOTO),
        ("table:tweb_penduduk", ["Made", "Wayan"], NEW_PHOTO),
        ("files", ["Salah"], OLD_PHOTO),
        ("folder:upload", ["Salah"], OLD_PHOTO),
    ],
)
def test_a_part_alone_is_restored(
    village: Village, scope: str, people: list[str], photo: bytes
) -> None:
    wish = village.asks(scope=scope)
    look(village.order(), wish, Steps())
    restore(village.order(), wish, Steps())
    assert (village.people(), village.photo()) == (people, photo)
    village.take_back(1)
    assert village.is_now()


def test_a_folder_that_is_gone_is_restored_and_others_are_refused(village: Village) -> None:
    subprocess.run(["rm", "-r", village.uploads], check=True)
    restore(village.order(), village.asks(scope="folder:upload"), Steps())
    assert village.photo() == OLD_PHOTO
    village.forget()
    for path, code in (
        ("../../lain", "folder_refused"),
        ("config", "folder_refused"),
        ("tak/ada", "folder_unknown"),
    ):
        with pytest.raises(Refusal) as refusal:
            restore(village.order(), village.asks(scope=f"folder:{path}"), Steps())
        assert refusal.value.code == code
        assert village.traces() == []


@pytest.mark.parametrize(
    "table",
    [
        "catatan_uji",
        *(pytest.param(name, marks=pytest.mark.soak) for name in ("tak_ada", "lama`", MARKER)),
    ],
)
def test_a_table_that_cannot_be_switched_alone_is_refused(village: Village, table: str) -> None:
    """One that is nowhere, has no name of a table, or a trigger."""
    with pytest.raises(Refusal) as refusal:
        restore(village.order(), village.asks(scope=f"table:{table}"), Steps())
    assert refusal.value.code == "table_refused"
    assert village.is_now()
    assert village.traces() == []


def test_a_village_that_does_not_get_well_serves_what_it_served(
    village: Village, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when the tables that came back lack what the release reads."""
    real = aside.switch_database

    def spoil(admin: Any, layout: Any, site: Any, journal: Any, side: str) -> None:
        real(admin, layout, site, journal, side)
        if side == "new":
            village.query("DROP TABLE migrasi")

    monkeypatch.setattr(aside, "switch_database", spoil)
    with pytest.raises(Refusal) as refusal:
        restore(village.order(), village.wish, Steps())
    assert refusal.value.code == "restore_unwell"
    assert village.is_now()
    assert village.traces() == []


def test_another_backup_than_the_one_asked_for_is_refused(village: Village) -> None:
    with pytest.raises(Refusal) as refusal:
        restore(village.order(), village.asks(manifest_sha256="0" * 64), Steps())
    assert refusal.value.code == "backup_foreign"
    assert village.is_now()
    assert village.traces() == []


@pytest.mark.soak
def test_a_village_that_is_gone_comes_back_whatever_is_in_it(village: Village) -> None:
    """Names and programs for which a stranger's archive would be refused, or robbed of them."""
    fleet, host = village.fleet, village.host
    assert fleet.play("remove", fleet.again(host)).succeeded
    given = {"files": village.wish.source, "database": ""}
    given["manifest_sha256"] = village.wish.manifest_sha256
    for sha256, ends_well in (("0" * 64, False), (given["manifest_sha256"], True)):
        upload = {"upload": {**given, "manifest_sha256": sha256}}
        played = fleet.play("adopt", fleet.again(host), options=("-e", json.dumps(upload)))
        assert (played.failed[host.site.slug] == 0) is ends_well, played.text
        assert Path(host.site.folder).exists() is ends_well
    assert village.is_then()
    assert (village.uploads / "..aneh\n\\nama.jpg").read_bytes() == b"nama ganjil"
    assert (village.uploads / "tema.php").is_file()
    assert village.kept_by_app.read_text() == "isi"


@pytest.mark.soak
def test_a_database_without_a_site_is_not_taken_for_an_empty_one(village: Village) -> None:
    fleet, host = village.fleet, village.host
    note = Path(host.site.folder, ".siappakai.json")
    text = note.read_text()
    note.unlink()
    try:
        with pytest.raises(Refusal) as refusal:
            adopt(village.order(), Upload(village.wish.source, "", "0" * 64), Steps())
        assert refusal.value.code == "database_exists"
    finally:
        note.write_text(text)
        note.chmod(0o600)
    assert village.is_now()
    assert fleet.state(host) is State.COMPLETE

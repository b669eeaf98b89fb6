"""A backup is restored over a village that runs: beside it first, then both change places."""

import json
import os
import signal
import subprocess
import traceback
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytest

from playbooks.module_utils import aside, one_table, restoring, switching
from playbooks.module_utils.adoption import Upload, adopt
from playbooks.module_utils.backup_proof import manifest_hash
from playbooks.module_utils.backup_take import Order as TakeOrder
from playbooks.module_utils.backup_take import spooled, take
from playbooks.module_utils.comeback import Wish
from playbooks.module_utils.driver import connect
from playbooks.module_utils.mariadb import State, administrator
from playbooks.module_utils.outcome import Refusal, Steps
from playbooks.module_utils.restoring import forget, look, restore, undo
from playbooks.module_utils.switching import settle
from siappakai.ansible.inventory import SiteHost
from tests.sites import NEW, Fleet
from tests.visits import get

pytestmark = [
    pytest.mark.integration,
    pytest.mark.patient,
    pytest.mark.skipif(os.geteuid() != 0, reason="sites are restored as root"),
    pytest.mark.timeout(900),
]
OLD_PHOTO, NEW_PHOTO = b"\xff\xd8 dahulu", b"\xff\xd8 sekarang"
LATER = "2030-01-01T00:00:00+00:00"


@dataclass
class Village:
    """A village that runs, with a backup of what it was before something happened to it."""

    fleet: Fleet
    host: SiteHost
    wish: Wish

    @property
    def database(self) -> str:
        return self.host.site.database

    @property
    def uploads(self) -> Path:
        return Path(self.host.site.folder, "desa/upload")

    @property
    def kept_by_app(self) -> Path:
        return Path(self.host.site.folder, "storage/app/arsip.txt")

    def order(self) -> Any:
        self.host = self.fleet.again(self.host)
        return self.fleet.order(self.host)

    def asks(self, **changes: Any) -> Wish:
        return Wish(**{**asdict(self.wish), **changes})

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        return self.fleet.query(sql, self.database)

    def people(self) -> list[str]:
        return [name for (name,) in self.query("SELECT nama FROM tweb_penduduk ORDER BY nama")]

    def photo(self) -> bytes:
        return (self.uploads / "foto.jpg").read_bytes()

    def is_now(self) -> bool:
        return (self.people(), self.photo()) == (["Salah"], NEW_PHOTO) and self._is_sound()

    def is_then(self) -> bool:
        return (self.people(), self.photo()) == (["Made", "Wayan"], OLD_PHOTO) and self._is_sound()

    def _is_sound(self) -> bool:
        """It serves, its view answers, its trigger stands, and its tables point at each other."""
        status, page = get(self.fleet, self.host, "/")
        elsewhere = self.fleet.query(
            "SELECT COUNT(*) FROM information_schema.REFERENTIAL_CONSTRAINTS"
            " WHERE CONSTRAINT_SCHEMA LIKE '%_opensid_5102010041'"
            " AND UNIQUE_CONSTRAINT_SCHEMA <> CONSTRAINT_SCHEMA"
        )
        (seen,) = self.query("SELECT COUNT(*) FROM rekap")[0]
        triggers = self.query("SHOW TRIGGERS LIKE 'catatan_uji'")
        sound = status == 200 and "</html>" in page and elsewhere == [(0,)]
        return sound and seen == len(self.people()) and len(triggers) == 1

    def traces(self) -> list[str]:
        schemas = [name for (name,) in self.fleet.query("SHOW DATABASES")]
        left = [name for name in schemas if "_scratch_" in name or name[-4:] in {"_old", "_new"}]
        folder = Path(self.host.site.folder)
        return left + [
            str(path) for path in (folder / "aside", folder / "maintenance") if path.exists()
        ]

    def owner(self) -> Any:
        site, secrets = self.host.site, self.host.secrets
        return connect(
            self.fleet.layout.db_socket, site.db_user, secrets.db_password, site.database
        )


@pytest.fixture(scope="module")
def installed(fleet: Fleet, tmp_path_factory: pytest.TempPathFactory) -> Village:
    host = fleet.village("5102010041", NEW)
    assert fleet.play("install", host).succeeded
    village = Village(fleet, host, Wish("", ""))
    with closing(village.owner()) as link, link.cursor() as cursor:
        cursor.execute("CREATE VIEW rekap AS SELECT nama FROM tweb_penduduk")
        cursor.execute("CREATE TABLE catatan_uji (a INT)")
        cursor.execute(
            "CREATE TRIGGER picu BEFORE INSERT ON catatan_uji FOR EACH ROW SET NEW.a = 1"
        )
    _fill(village, ["Made", "Wayan"], OLD_PHOTO)
    (village.uploads / "..aneh\n\\nama.jpg").write_bytes(b"nama ganjil")
    (village.uploads / "tema.php").write_text("<?php echo 1;")
    village.kept_by_app.parent.mkdir()
    village.kept_by_app.write_text("isi")
    _own(village)
    folder = tmp_path_factory.mktemp("backup")
    village.wish = _backed_up(village, folder)
    return village


def _own(village: Village) -> None:
    subprocess.run(
        ["chown", "-R", f"{village.host.site.unix_user}:www-data", village.uploads], check=True
    )


def _fill(village: Village, people: list[str], photo: bytes) -> None:
    link = connect(village.fleet.layout.db_socket, "root", "", village.database)
    with closing(link), link.cursor() as cursor:
        # The real OpenSID fills columns without a default in code.
        cursor.execute("SET SESSION sql_mode = '', foreign_key_checks = 0")
        cursor.execute("DELETE FROM tweb_penduduk")
        for number, name in enumerate(people):
            cursor.execute(
                "INSERT INTO tweb_penduduk (config_id, nama, nik) VALUES (1, %s, %s)",
                (name, f"510201010180000{number}"),
            )
    (village.uploads / "foto.jpg").write_bytes(photo)


def _backed_up(village: Village, folder: Path) -> Wish:
    key, plain = folder / "key", folder / "plain.tar"
    subprocess.run(["age-keygen", "-o", key], check=True, capture_output=True)
    shown = subprocess.run(["age-keygen", "-y", key], check=True, capture_output=True, text=True)
    site = asdict(village.fleet.again(village.host).site)
    layout = village.fleet.layout.as_vars()
    facts = take(TakeOrder(layout, site, "uji.age", [shown.stdout.strip()]), Steps())
    sealed = spooled(layout, "uji.age")
    with plain.open("wb") as file:
        opened = subprocess.run(["age", "-d", "-i", key, sealed], check=True, capture_output=True)
        subprocess.run(["zstd", "-dcq"], input=opened.stdout, stdout=file, check=True)
    sealed.unlink()
    return Wish(str(plain), manifest_hash(facts["manifest"]), backup="uji.age", until=LATER)


@pytest.fixture
def village(installed: Village) -> Iterator[Village]:
    """The village after somebody's mistake; whatever a test does, its old state is gone after."""
    forget(installed.order())
    _fill(installed, ["Salah"], NEW_PHOTO)
    _own(installed)
    yield installed
    forget(installed.order())


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
    journal = aside.read(village.host.site.folder)
    assert journal is not None
    assert (journal.run, journal.serving, journal.until) == (7, "new", LATER)
    with pytest.raises(Refusal) as refusal:
        restore(village.order(), village.wish, Steps())
    assert refusal.value.code == "state_kept"
    assert village.kept_by_app.read_text() == "isi"
    undo(village.order(), 8, LATER, Steps())
    assert village.is_now()
    assert village.kept_by_app.read_text() == "lain"
    undo(village.order(), 9, LATER, Steps())
    assert village.is_then(), "what was taken back can be had again"
    assert forget(village.order())
    assert not forget(village.order())
    assert village.traces() == []
    assert village.is_then()
    with pytest.raises(Refusal) as refusal:
        undo(village.order(), 10, LATER, Steps())
    assert refusal.value.code == "nothing_kept"


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
    undo(village.order(), 1, LATER, Steps())
    assert village.is_now()


def test_a_folder_that_is_gone_is_restored_and_others_are_refused(village: Village) -> None:
    subprocess.run(["rm", "-r", village.uploads], check=True)
    restore(village.order(), village.asks(scope="folder:upload"), Steps())
    assert village.photo() == OLD_PHOTO
    forget(village.order())
    for path, code in (
        ("../../lain", "folder_refused"),
        ("config", "folder_refused"),
        ("tak/ada", "folder_unknown"),
    ):
        with pytest.raises(Refusal) as refusal:
            restore(village.order(), village.asks(scope=f"folder:{path}"), Steps())
        assert refusal.value.code == code
        assert village.traces() == []


@pytest.mark.parametrize("table", ["tak_ada", "siappakai_aside", "a`b", "catatan_uji"])
def test_a_table_that_cannot_be_switched_alone_is_refused(village: Village, table: str) -> None:
    """One that is nowhere, has no name of a table, or a trigger."""
    with pytest.raises(Refusal) as refusal:
        restore(village.order(), village.asks(scope=f"table:{table}"), Steps())
    assert refusal.value.code == "table_refused"
    assert village.is_now()
    assert village.traces() == []


@pytest.mark.soak
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("name", ["one_table.save", "one_table.fill", "one_table.replace_rows"])
def test_a_kill_while_one_table_is_switched_loses_no_row(
    village: Village, monkeypatch: pytest.MonkeyPatch, name: str, when: str
) -> None:
    wish = village.asks(scope="table:tweb_penduduk")
    _killed_at(name, when, monkeypatch, lambda: restore(village.order(), wish, Steps()))
    _settle(village)
    assert village.is_now()
    restore(village.order(), wish, Steps())
    village.query("UPDATE tweb_penduduk SET nama = 'Kerja' WHERE nama = 'Made'")
    _killed_at(name, when, monkeypatch, lambda: undo(village.order(), 2, LATER, Steps()))
    _settle(village)
    assert village.people() == ["Kerja", "Wayan"], "what was entered since stays"
    assert [name for name in _tables(village) if name.startswith("siappakai_")] == []
    undo(village.order(), 3, LATER, Steps())
    assert village.is_now()


def _tables(village: Village) -> list[str]:
    return [name for (name,) in village.query("SHOW TABLES")]


def test_a_village_that_does_not_get_well_serves_what_it_served(
    village: Village, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when the tables that came back lack what the release reads."""
    real = aside.switch

    def spoil(admin: Any, layout: Any, site: Any, journal: Any, side: str) -> None:
        real(admin, layout, site, journal, side)
        if side == "new":
            village.query("DROP TABLE migrasi")

    monkeypatch.setattr(aside, "switch", spoil)
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


# Where a kill hits: the module, the function, and whether before or after its work.
_POINTS = [
    ("aside.prepare", "after"),
    ("aside.receive_tables", "after"),
    ("closing.close", "after"),
    ("aside.switch_folder", "before"),
    ("aside.switch_folder", "after"),
    ("aside.switch_tables", "before"),
    ("aside.switch_tables", "after"),
    ("aside.make_programs", "after"),
    ("closing.reopen_switched", "after"),
    ("restoring.require_well", "after"),
]

_IN_THE_GATE = [("aside.switch_folder", "after"), ("aside.switch_tables", "after")]


@pytest.mark.parametrize(
    ("name", "when"),
    [
        pytest.param(*point, marks=[] if point in _IN_THE_GATE else [pytest.mark.soak])
        for point in _POINTS
    ],
)
def test_a_kill_at_any_moment_leaves_the_village_as_it_was(
    village: Village, monkeypatch: pytest.MonkeyPatch, name: str, when: str
) -> None:
    _killed_at(name, when, monkeypatch, lambda: restore(village.order(), village.wish, Steps()))
    _settle(village)
    assert village.is_now()
    assert aside.read(village.host.site.folder) is None
    restore(village.order(), village.wish, Steps())
    assert village.is_then()


@pytest.mark.soak
@pytest.mark.parametrize(("name", "when"), [_POINTS[3], _POINTS[6]])
def test_a_kill_while_it_is_taken_back_leaves_what_served(
    village: Village, monkeypatch: pytest.MonkeyPatch, name: str, when: str
) -> None:
    restore(village.order(), village.wish, Steps())
    _killed_at(name, when, monkeypatch, lambda: undo(village.order(), 2, LATER, Steps()))
    _settle(village)
    assert village.is_then()
    undo(village.order(), 3, LATER, Steps())
    assert village.is_now()


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


def _settle(village: Village) -> None:
    layout = village.fleet.layout
    with closing(administrator(layout.db_socket)) as admin:
        settle(layout.as_vars(), asdict(village.host.site), admin)


def _killed_at(
    name: str, when: str, monkeypatch: pytest.MonkeyPatch, work: Callable[[], object]
) -> None:
    """Do it in a child that dies as by kill -9."""
    where, _, function = name.partition(".")
    owners = {"aside": aside, "closing": switching.closing, "one_table": one_table}
    owner = {**owners, "restoring": restoring}[where]
    real = getattr(owner, function)

    def deadly(*given: Any, **named: Any) -> Any:
        if when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        done = real(*given, **named)
        os.kill(os.getpid(), signal.SIGKILL)
        return done

    child = os.fork()
    if child == 0:
        try:
            monkeypatch.setattr(owner, function, deadly)
            work()
        finally:
            traceback.print_exc()
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status), f"{name} was not reached"

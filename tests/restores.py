"""A village that runs, has a backup, and met with somebody's mistake since."""

import subprocess
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytest

from playbooks.module_utils import journals
from playbooks.module_utils.backup_proof import manifest_hash
from playbooks.module_utils.backup_take import Order as TakeOrder
from playbooks.module_utils.backup_take import spooled, take
from playbooks.module_utils.comeback import Wish
from playbooks.module_utils.driver import connect
from playbooks.module_utils.outcome import Steps
from playbooks.module_utils.restoring import forget, undo
from siappakai.ansible.inventory import SiteHost
from tests.sites import NEW, Fleet
from tests.visits import get

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

    def take_back(self, run: int) -> None:
        undo(self.order(), run, LATER, self.switched_by(), Steps())

    def forget(self) -> bool:
        return forget(self.order(), self.switched_by())

    def switched_by(self) -> int:
        journal = journals.read(self.host.site.folder)
        return journal.run if journal else 0

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


@pytest.fixture(scope="session")
def lived_in(fleet: Fleet, tmp_path_factory: pytest.TempPathFactory) -> Village:
    host = fleet.village("5102010041", NEW)
    assert fleet.play("install", host).succeeded
    village = Village(fleet, host, Wish("", ""))
    with closing(village.owner()) as link, link.cursor() as cursor:
        cursor.execute("CREATE VIEW rekap AS SELECT nama FROM tweb_penduduk")
        cursor.execute("CREATE TABLE catatan_uji (a INT)")
        cursor.execute(
            "CREATE TRIGGER picu BEFORE INSERT ON catatan_uji FOR EACH ROW SET NEW.a = 1"
        )
    fill(village, ["Made", "Wayan"], OLD_PHOTO)
    (village.uploads / "..aneh\n\\nama.jpg").write_bytes(b"nama ganjil")
    (village.uploads / "tema.php").write_text("<?php echo 1;")
    village.kept_by_app.parent.mkdir()
    village.kept_by_app.write_text("isi")
    _own(village)
    folder = tmp_path_factory.mktemp("backup")
    village.wish = back_up(village, folder)
    return village


def _own(village: Village) -> None:
    subprocess.run(
        ["chown", "-R", f"{village.host.site.unix_user}:www-data", village.uploads], check=True
    )


def fill(village: Village, people: list[str], photo: bytes) -> None:
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


def back_up(village: Village, folder: Path) -> Wish:
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


def with_mistake(village: Village) -> Iterator[Village]:
    """Yield it after the mistake; whatever a test does, its former state is gone afterwards."""
    village.forget()
    fill(village, ["Salah"], NEW_PHOTO)
    _own(village)
    yield village
    village.forget()

"""Backups are taken while people write, proven, and every damage is found and named."""

import hashlib
import json
import os
import re
import subprocess
import sys
import threading
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytest

from playbooks.module_utils import backup_take
from playbooks.module_utils.backup_proof import Proof, compare, manifest_hash, prove
from playbooks.module_utils.backup_take import Order, take
from playbooks.module_utils.driver import connect
from playbooks.module_utils.outcome import Refusal, Steps
from playbooks.module_utils.sealing import Sealed, sealing
from playbooks.module_utils.spool import clear
from siappakai.ansible.inventory import SiteHost
from tests.sites import Fleet

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(os.geteuid() != 0, reason="sites are backed up as root"),
    pytest.mark.timeout(900),
]


@dataclass(frozen=True)
class Taken:
    """A backup in the spool."""

    order: Order
    facts: dict[str, Any]

    @property
    def path(self) -> Path:
        return backup_take.spooled(self.order.layout, self.order.name)


@dataclass(frozen=True)
class Key:
    """An age key pair, the private one in a file."""

    file: Path
    recipient: str


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> tuple[Key, Key]:
    folder = tmp_path_factory.mktemp("keys")
    return _key(folder / "recovery"), _key(folder / "proof")


def _key(file: Path) -> Key:
    subprocess.run(["age-keygen", "-o", file], check=True, capture_output=True)
    shown = subprocess.run(["age-keygen", "-y", file], check=True, capture_output=True, text=True)
    return Key(file, shown.stdout.strip())


def backed_up(fleet: Fleet, host: SiteHost, keys: tuple[Key, ...], name: str = "") -> Taken:
    site = asdict(fleet.again(host).site)
    order = Order(
        layout=fleet.layout.as_vars(),
        site=site,
        name=name or f"{site['slug']}-{site['run_token']}.age",
        recipients=[key.recipient for key in keys],
    )
    return Taken(order, take(order, Steps()))


def proof_of(taken: Taken, key: Key, **changes: Any) -> Proof:
    known = {name: taken.facts[name] for name in ("size", "sha256")}
    known["manifest_sha256"] = manifest_hash(taken.facts["manifest"])
    return Proof(
        **{
            "layout": taken.order.layout,
            "source": taken.path,
            "identity": key.file,
            **known,
            **changes,
        }
    )


@pytest.fixture(scope="module")
def taken(fleet: Fleet, villages: tuple[SiteHost, SiteHost], keys: tuple[Key, Key]) -> Taken:
    upload = Path(villages[1].site.folder, "desa/upload/foto.jpg")
    upload.write_bytes(os.urandom(300_000))
    return backed_up(fleet, villages[1], keys)


def test_a_backup_is_proven_with_either_key(
    fleet: Fleet, villages: tuple[SiteHost, SiteHost], taken: Taken, keys: tuple[Key, Key]
) -> None:
    for key in keys:
        told = prove(proof_of(taken, key), Steps())
        assert told["tables"] == len(taken.facts["manifest"]["tables"]) > 100
        assert told["rows"] > 1000
        assert told["files"] == taken.facts["manifest"]["files"]["count"] > 3
    assert [name for (name,) in fleet.query("SHOW DATABASES") if "scratch" in name] == []


def test_nothing_is_left_but_the_sealed_file(fleet: Fleet, taken: Taken) -> None:
    assert list(Path(fleet.layout.scratch).iterdir()) == []
    assert taken.path.stat().st_mode & 0o777 == 0o600
    assert Path(fleet.layout.spool).stat().st_mode & 0o777 == 0o700
    assert taken.path.stat().st_size == taken.facts["size"]
    assert b"nama_desa" not in taken.path.read_bytes()


def test_a_person_opens_it_with_standard_programs(
    villages: tuple[SiteHost, SiteHost], taken: Taken, keys: tuple[Key, Key], tmp_path: Path
) -> None:
    """By the very line of the handbook."""
    handbook = Path(__file__).parents[2] / "docs/operations.md"
    (line,) = re.findall(r"^    (age --decrypt .*BACKUP.*)$", handbook.read_text(), re.MULTILINE)
    for name, path in (("recovery.key", keys[0].file), ("BACKUP.age", taken.path)):
        line = line.replace(name, str(path))
    subprocess.run(["bash", "-o", "pipefail", "-c", line], check=True, cwd=tmp_path)
    assert json.loads((tmp_path / "manifest.json").read_text()) == taken.facts["manifest"]
    key = (tmp_path / "files/desa/app_key").read_text()
    assert key == villages[1].secrets.app_key
    assert (
        villages[1].secrets.db_password in (tmp_path / "files/desa/config/database.php").read_text()
    )
    sql = (tmp_path / "database.sql").read_text()
    assert "DEFINER" not in sql
    assert "SQL SECURITY INVOKER" in sql


def test_the_figures_are_those_of_the_dump_whoever_writes(
    fleet: Fleet, villages: tuple[SiteHost, SiteHost], keys: tuple[Key, Key]
) -> None:
    host, stop, written = villages[1], threading.Event(), []
    fleet.query("CREATE TABLE tulisan (id INT AUTO_INCREMENT PRIMARY KEY)", host.site.database)

    def write() -> None:
        link = connect(
            fleet.layout.db_socket, host.site.db_user, host.secrets.db_password, host.site.database
        )
        with closing(link), link.cursor() as cursor:
            while not stop.is_set():
                cursor.execute("INSERT INTO tulisan VALUES ()")
                written.append(1)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        stop.wait(0.2)
        before = len(written)
        busy = backed_up(fleet, host, keys)
        during = len(written) - before
    finally:
        stop.set()
        writer.join()
        fleet.query("DROP TABLE tulisan", host.site.database)
    assert during > 20, "writers were held up"
    assert before <= busy.facts["manifest"]["tables"]["tulisan"]["rows"] <= before + during
    prove(proof_of(busy, keys[1]), Steps())
    busy.path.unlink()


@pytest.mark.parametrize(
    ("damage", "code"),
    [
        ("byte", "backup_changed"),
        ("tail", "backup_changed"),
        ("other", "backup_changed"),
        ("key", "backup_wrong_key"),
    ],
)
def test_damage_on_the_way_is_found_and_named(
    taken: Taken, keys: tuple[Key, Key], tmp_path: Path, damage: str, code: str
) -> None:
    copy, whole = tmp_path / "copy", taken.path.read_bytes()
    middle = len(whole) // 2
    contents = {
        "byte": whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :],
        "tail": whole[:-1000],
        "other": whole[:1000] + whole[2000:],
    }
    copy.write_bytes(contents.get(damage, whole))
    key = _key(tmp_path / "stranger") if damage == "key" else keys[1]
    assert _refused(proof_of(taken, key, source=copy)) == code


def test_damage_that_the_checksum_does_not_know_is_found_by_the_seal(
    taken: Taken, keys: tuple[Key, Key], tmp_path: Path
) -> None:
    """As when store and registry were changed alike, or a disk lied from the beginning."""
    copy, whole = tmp_path / "copy", bytearray(taken.path.read_bytes())
    for content in (whole[:-1000], whole[: len(whole) // 2] + b"x" + whole[len(whole) // 2 + 1 :]):
        copy.write_bytes(content)
        known = {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        assert _refused(proof_of(taken, keys[1], source=copy, **known)) == "backup_damaged"


def test_another_villages_backup_is_not_taken_for_ours(
    fleet: Fleet, villages: tuple[SiteHost, SiteHost], taken: Taken, keys: tuple[Key, Key]
) -> None:
    other = backed_up(fleet, villages[0], keys)
    known = {name: other.facts[name] for name in ("size", "sha256")}
    swapped = proof_of(taken, keys[1], source=other.path, **known)
    assert _refused(swapped) == "backup_foreign"
    other.path.unlink()


def test_figures_that_do_not_fit_are_named(taken: Taken) -> None:
    """As when the dump had left out rows: what was counted then is not what comes back."""
    manifest = json.loads(json.dumps(taken.facts["manifest"]))
    files = {key: manifest["files"][key] for key in ("count", "bytes", "hash")}
    tables = json.loads(json.dumps(manifest["tables"]))
    tables["config"]["hash"] = "0" * 64
    with pytest.raises(Refusal) as refusal:
        compare(manifest, files, tables)
    assert refusal.value.code == "backup_differs"
    assert "config" in str(refusal.value)
    with pytest.raises(Refusal, match="the files"):
        compare(manifest, {**files, "count": 0}, manifest["tables"])


def test_a_full_disk_leaves_nothing_half_done(
    fleet: Fleet, villages: tuple[SiteHost, SiteHost], keys: tuple[Key, Key], tmp_path: Path
) -> None:
    small = tmp_path / "small"
    small.mkdir()
    options = ["-t", "tmpfs", "-o", "size=320m", "tmpfs", str(small)]
    subprocess.run(["mount", *options], check=True)
    try:
        site = asdict(fleet.again(villages[1]).site)
        layout = {**fleet.layout.as_vars(), "spool": str(small)}
        order = Order(layout, site, f"{site['slug']}-1.age", [keys[0].recipient])
        (small / "others").write_bytes(bytes(60 << 20))
        with pytest.raises(Refusal) as refusal:
            take(order, Steps())
        assert refusal.value.code == "no_room"
        assert re.search(r"260 MB left.* may take \d+ MB, and 256 MB must stay", str(refusal.value))
        (small / "others").write_bytes(bytes(319 << 20))
        with pytest.raises(OSError, match="No space left"):
            _fill(small / "sealed", keys[0].recipient)
        assert [path.name for path in small.iterdir()] == ["others"]
    finally:
        subprocess.run(["umount", small], check=True)


def _fill(target: Path, recipient: str) -> None:
    with sealing(target, [recipient], Sealed()) as pipe:
        for _ in range(8):
            pipe.write(os.urandom(1 << 20))


def test_what_a_killed_backup_left_is_cleared_by_the_next(
    fleet: Fleet, villages: tuple[SiteHost, SiteHost], keys: tuple[Key, Key]
) -> None:
    slug, layout = villages[1].site.slug, fleet.layout
    scratch, partial = (
        Path(layout.scratch, f"backup-{slug}"),
        Path(layout.spool, f"{slug}-1.age.partial"),
    )
    scratch.mkdir()
    (scratch / "database.sql").write_text("plain")
    partial.write_text("half")
    other = Path(layout.spool, "opensid-5102010099-1.age.partial")
    other.write_text("of another call")
    again = backed_up(fleet, villages[1], keys)
    assert not scratch.exists()
    assert not partial.exists()
    assert other.exists()
    for path in (other, again.path):
        path.unlink()


def test_a_spool_keeps_what_is_expected_and_forgets_the_rest(tmp_path: Path) -> None:
    for name in ("keep", "drop", "fresh", "old"):
        (tmp_path / name).touch()
    for name in ("keep", "old"):
        os.utime(tmp_path / name, (0, 0))
    layout: Any = {"spool": str(tmp_path)}
    known = {"keep": ["keep"], "drop": ["drop", "gone before"]}
    assert clear(layout, **known, dry=True) == ["drop", "gone before", "old"]
    assert len(list(tmp_path.iterdir())) == 4
    clear(layout, **known)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fresh", "keep"]


def test_links_of_the_village_lead_nowhere(
    fleet: Fleet, villages: tuple[SiteHost, SiteHost], keys: tuple[Key, Key], tmp_path: Path
) -> None:
    uploads = Path(villages[1].site.folder, "desa/upload")
    (uploads / "passwd").symlink_to("/etc/passwd")
    (uploads / "etc").symlink_to("/etc")
    os.mkfifo(uploads / "pipe")
    try:
        linked = backed_up(fleet, villages[1], keys)
        line = f"age --decrypt -i {keys[0].file} {linked.path} | zstd -d | tar -t"
        shown = subprocess.run(["bash", "-c", line], check=True, capture_output=True, text=True)
    finally:
        for name in ("passwd", "etc", "pipe"):
            (uploads / name).unlink()
        linked.path.unlink()
    assert linked.facts["manifest"]["files"]["left_out"] == 3
    assert not {"passwd", "etc", "pipe"} & {Path(name).name for name in shown.stdout.split()}


# Takes and proves in a process of its own, whose memory and whose children's can be asked for.
TAKE = """
import json, re, resource, sys
from pathlib import Path
from playbooks.module_utils.backup_proof import Proof, manifest_hash, prove
from playbooks.module_utils.backup_take import Order, spooled, take
from playbooks.module_utils.outcome import Steps
given = json.load(sys.stdin)
order = Order(**given["order"])
facts = take(order, Steps())
known = {name: facts[name] for name in ("size", "sha256")}
known["manifest_sha256"] = manifest_hash(facts["manifest"])
source = spooled(order.layout, order.name)
prove(Proof(order.layout, source, Path(given["identity"]), **known), Steps())
source.unlink()
# Not ru_maxrss of its own: that remembers the program which it was forked from.
(own,) = re.findall(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())
print(facts["size"], own, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


@pytest.mark.soak
def test_a_gigabyte_of_uploads_needs_no_more_memory(
    fleet: Fleet, villages: tuple[SiteHost, SiteHost], keys: tuple[Key, Key]
) -> None:
    large = Path(villages[1].site.folder, "desa/upload/besar.bin")
    with large.open("wb") as file:
        for _ in range(1024):
            file.write(os.urandom(1 << 20))
    site = asdict(fleet.again(villages[1]).site)
    order = Order(fleet.layout.as_vars(), site, f"{site['slug']}-1.age", [keys[1].recipient])
    given = json.dumps({"order": asdict(order), "identity": str(keys[1].file)})
    try:
        done = subprocess.run(
            [sys.executable, "-c", TAKE],
            input=given,
            check=True,
            capture_output=True,
            text=True,
            cwd=Path(__file__).parents[2],
        )
    finally:
        large.unlink()
    size, own, children = map(int, done.stdout.split())
    assert size > 1 << 30
    assert own < 150 << 10, "KB of the module"
    assert children < 150 << 10, "KB of the largest of its programs"


def _refused(proof: Proof) -> str:
    with pytest.raises(Refusal) as refusal:
        prove(proof, Steps())
    return refusal.value.code

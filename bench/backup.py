"""Backups of villages: taken, carried, proven and restored, against a script and other programs.

`make bench NAME=backup`; what is measured is told in docs/benchmarks.md. A quick look:
`python -m bench.backup --villages 2 --megabytes 5 --files 20 --residents 200 --rounds 1`.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from sqlalchemy import func, select

from bench.backup_data import Size, fill
from bench.installation import SERVER, Panel, panel
from bench.memory import Largest
from bench.peers import Peers
from bench.villages import BenchVillage, villages
from playbooks.module_utils import programs
from playbooks.module_utils.driver import connect
from siappakai.credentials import new_age_pair
from siappakai.domain.backups import CopyState, ProofState
from siappakai.domain.naming import ServerLayout
from siappakai.models import Backup, BackupCopy, db
from siappakai.services import backup_keys, enrolment, keys, stores
from tests.sshd import Sshd, private_sshd, temporary_account

_BY = "bench"
_SCRIPT = Path(__file__).parent / "floor/backup.sh"
_CARRIED_SECONDS = 4 * 3600


@dataclass
class Figures:
    """Seconds of each round, by what took them. Of peers take and restore; None: not there."""

    take: list[float] = field(default_factory=list)
    floor_take: list[float] = field(default_factory=list)
    carry: float = 0.0
    prove: float = 0.0
    restore: float = 0.0
    floor_restore: float = 0.0
    peaks: dict[str, float] = field(default_factory=dict)
    peers: dict[str, tuple[float, float] | None] = field(default_factory=dict)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.backup", description=__doc__)
    parser.add_argument("--villages", type=int, default=20)
    parser.add_argument("--residents", type=int, default=4000)
    parser.add_argument("--megabytes", type=int, default=200, help="uploads of each village")
    parser.add_argument("--files", type=int, default=400, help="in so many files")
    parser.add_argument("--rounds", type=int, default=3, help="of taking")
    asked = parser.parse_args()
    size = Size(asked.residents, asked.megabytes, asked.files)
    chosen = villages(asked.villages)
    with panel() as one, _folder() as folder:
        figures = _measure(one, folder, chosen, size, asked.rounds)
    _report(len(chosen), size, figures)


@contextmanager
def _folder() -> Iterator[Sshd]:
    """Have an account on this machine for a store."""
    with temporary_account() as account, private_sshd(account, passwords=False) as sshd:
        yield sshd


def _measure(
    one: Panel, folder: Sshd, chosen: Sequence[BenchVillage], size: Size, rounds: int
) -> Figures:
    layout = one.prepare()
    one.plan(chosen)
    one.install()
    fill(layout, chosen, size)
    key = one.settings.state / "recovery.key"
    key.write_text(backup_keys.make_recovery_key(by=_BY)[0] + "\n")
    _add_store(folder)
    one.command("backup", "prover", SERVER, "--follow")
    floor, figures = one.settings.state / "floor", Figures()
    _write_floor(floor, layout, chosen, key, folder)
    with Largest(one.pid).watched() as peaks:
        for _ in range(rounds):
            _take(one, floor, figures)
        figures.prove = one.command("backup", "verify", "--follow")
        _check_proven(len(chosen))
        _lay_in_store(floor, folder)
        _restore(one, layout, floor, chosen, figures)
    figures.peaks = dict(peaks)
    figures.peers = _ask_peers(one, layout, chosen)
    return figures


def _add_store(folder: Sshd) -> None:
    authorized = folder.home / ".ssh/authorized_keys"
    authorized.parent.mkdir(mode=0o700)
    authorized.write_text(keys.public_key() + "\n")
    authorized.chmod(0o600)
    owner = folder.home.stat()
    for path in (authorized.parent, authorized):
        os.chown(path, owner.st_uid, owner.st_gid)
    shown = enrolment.inspect_host("127.0.0.1", folder.port).fingerprint
    stores.add_sftp(
        name="folder",
        address="127.0.0.1",
        port=folder.port,
        user=folder.user,
        folder="backups",
        fingerprint=shown,
        by=_BY,
    )
    db.session.commit()


def _write_floor(
    floor: Path, layout: ServerLayout, chosen: Sequence[BenchVillage], key: Path, store: Sshd
) -> None:
    floor.mkdir(mode=0o700)
    (floor / "identity").write_text(key.read_text())
    (floor / "ssh_key").touch(mode=0o600)
    (floor / "ssh_key").write_text(keys.private_key_text())
    host_key = store.host_key.with_suffix(".pub").read_text()
    (floor / "known_hosts").write_text(f"[127.0.0.1]:{store.port} {host_key}")
    paths = {
        "prefix": layout.prefix,
        "sites": layout.sites,
        "db_socket": layout.db_socket,
        "store_port": str(store.port),
        "store_user": store.user,
        "recipient": programs.run("age-keygen", "-y", str(key)).decode().strip(),
        # As many keys as ours: one more to seal for.
        "proof": new_age_pair()[1],
    }
    text = "".join(f"{name}={shlex.quote(value)}\n" for name, value in paths.items())
    (floor / "paths").write_text(text)
    (floor / "codes").write_text("".join(f"{one.code}\n" for one in chosen))


def _take(one: Panel, floor: Path, figures: Figures) -> None:
    """One round, each alone on the machine: the carrying that follows ours is awaited."""
    figures.floor_take.append(_script(floor, "take"))
    figures.take.append(one.command("backup", "take", "--all", "--follow"))
    figures.carry = _await_carried()
    load = os.getloadavg()[0]
    print(
        f"take: ours {figures.take[-1]:6.1f} s   floor {figures.floor_take[-1]:6.1f} s"
        f"   carried {figures.carry:6.1f} s later   load {load:.1f}",
        flush=True,
    )


def _script(floor: Path, action: str) -> float:
    began = time.monotonic()
    subprocess.run([str(_SCRIPT), str(floor), action], check=True)
    return time.monotonic() - began


def _await_carried() -> float:
    began = time.monotonic()
    open_ones = select(func.count(BackupCopy.id)).where(BackupCopy.state != CopyState.STORED)
    while True:
        db.session.commit()
        if db.session.scalar(open_ones) == 0:
            return time.monotonic() - began
        if time.monotonic() - began > _CARRIED_SECONDS:
            sys.exit("The backups do not arrive in the store.")
        time.sleep(0.5)


def _lay_in_store(floor: Path, store: Sshd) -> None:
    """Put what the floor took where it fetches it from, as ours is in the store by now."""
    folder = store.home / "floor"
    shutil.copytree(floor / "out", folder)
    owner = store.home.stat()
    for path in (folder, *folder.iterdir()):
        os.chown(path, owner.st_uid, owner.st_gid)


def _check_proven(count: int) -> None:
    db.session.commit()
    proven = select(func.count(Backup.id)).where(Backup.proof_state == ProofState.PROVEN)
    found = db.session.scalar(proven)
    if found != count:
        sys.exit(f"{found} of {count} backups were proven.")


def _restore(
    one: Panel,
    layout: ServerLayout,
    floor: Path,
    chosen: Sequence[BenchVillage],
    figures: Figures,
) -> None:
    """Bring all villages back from the store, each over what runs."""
    figures.floor_restore = _script(floor, "restore")
    with closing(connect(layout.db_socket, "root")) as link, link.cursor() as cursor:
        for village in chosen:
            cursor.execute(f"DROP DATABASE `floor_{village.code}`")
    asked = ("--all", "--count", str(len(chosen)), "--follow")
    key = str(one.settings.state / "recovery.key")
    figures.restore = one.command("backup", "restore-many", *asked, "--key-file", key)
    print(f"restore: ours {figures.restore:6.1f} s   floor {figures.floor_restore:6.1f} s")


def _ask_peers(
    one: Panel, layout: ServerLayout, chosen: Sequence[BenchVillage]
) -> dict[str, tuple[float, float] | None]:
    folder = one.settings.state / "peers"
    folder.mkdir()
    peers = Peers(
        folder,
        layout.db_socket,
        {one.code: f"{layout.prefix}_opensid_{one.code}" for one in chosen},
        {one.code: f"{layout.sites}/opensid-{one.code}/desa" for one in chosen},
    )
    found = {}
    for name, asked in (("restic", peers.restic), ("mydumper", peers.mydumper)):
        found[name] = asked()
        peers.clear()
    return found


def _report(count: int, size: Size, figures: Figures) -> None:
    take, floor_take = median(figures.take), median(figures.floor_take)
    rows = {
        "take": take,
        "floor take": floor_take,
        "carry": figures.carry,
        "prove": figures.prove,
        "restore": figures.restore,
        "floor restore": figures.floor_restore,
    }
    for name, both in figures.peers.items():
        if both is not None:
            rows |= {f"{name} take": both[0], f"{name} restore": both[1]}
    print(f"\n{'':18}{'seconds':>10}{'per village':>13}")
    for name, seconds in rows.items():
        print(f"{name:18}{seconds:10.1f}{seconds / count:13.2f}")
    print("most memory of one process, MB:", figures.peaks)
    restore_overhead = (figures.restore - figures.floor_restore) / count
    result = {
        "bench": "backup",
        "villages": count,
        "residents": size.residents,
        "megabytes": size.megabytes,
        "files": size.files,
        "rounds": len(figures.take),
        **{f"{name.replace(' ', '_')}_s": round(value, 2) for name, value in rows.items()},
        "ratio": round(take / floor_take, 2),
        "overhead_s_per_village": round((take - floor_take) / count, 3),
        "restore_ratio": round(figures.restore / figures.floor_restore, 2),
        "restore_overhead_s_per_village": round(restore_overhead, 3),
        "prove_seconds_per_village": round(figures.prove / count, 2),
        "peak_mb": max(figures.peaks.values(), default=0.0),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()

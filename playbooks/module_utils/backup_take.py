"""Taking a backup: one sealed file in the spool, from where the panel carries it to its stores.

It is a tar of `database.sql`, `files/` and, last, `manifest.json`. The database is one
transaction of mariadb-dump, and its figures are those of the very dump.
"""

from __future__ import annotations

import datetime as dt
import io
import json
import os
import shutil
import subprocess
import tarfile
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from . import backup_files, base_tables, golden, journals, mariadb, site_tree
from .content_sums import DumpSums
from .definers import portable
from .fence import fenced
from .mariadb import State
from .outcome import Refusal
from .reading import reader
from .room import check_room
from .sealing import Sealed, sealing

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

    from .driver import Link
    from .outcome import Steps
    from .variables import LayoutVars, SiteVars

FORMAT = 1
DATABASE, MANIFEST = "database.sql", "manifest.json"
_COPY_BYTES = 1 << 20


@dataclass(frozen=True)
class Order:
    """The site, the name of its backup, and the public keys that it is sealed for."""

    layout: LayoutVars
    site: SiteVars
    name: str
    recipients: list[str]
    dry: bool = False


def take(order: Order, steps: Steps) -> dict[str, Any]:
    """Write a site's backup into the spool; return its size, SHA-256 and manifest.

    Raises Refusal `nothing_to_back_up` or `no_room`, or an error of outcome.EXPECTED;
    what was begun is gone then.
    """
    layout, site = order.layout, order.site
    with (
        fenced(layout["lock_dir"], site["slug"], site["run_token"], dry=order.dry),
        closing(mariadb.administrator(layout["db_socket"])) as admin,
    ):
        with steps.step("check"):
            _check(order, admin)
        if order.dry:
            return {}
        return _take(order, admin, steps)


def spooled(layout: LayoutVars, name: str) -> Path:
    """Return where a backup waits on its server."""
    return Path(layout["spool"], name)


def _check(order: Order, admin: Link) -> None:
    site = order.site
    journals.require_rest(site)
    state = mariadb.state_of(admin, site["database"], site["slug"])
    state = mariadb.believed(state, site_tree.read_note(site["folder"]))
    if state is not State.COMPLETE or not Path(site["folder"], "desa").is_dir():
        raise Refusal(
            "nothing_to_back_up",
            f"{site['slug']} has no whole database and files on this server. Look at the site;"
            " an older backup of it can be restored.",
            slug=site["slug"],
        )
    # The dump lies in clear beside the sealed file for a while; uploads are hardly compressed.
    needed = _bytes_of(admin, site["database"]) + backup_files.bytes_of(Path(site["folder"]))
    what = f"A backup of {site['slug']}"
    check_room(Path(order.layout["spool"]), needed, what)


def _bytes_of(admin: Link, database: str) -> int:
    with admin.cursor() as cursor:
        cursor.execute(
            "SELECT COALESCE(SUM(DATA_LENGTH), 0) FROM information_schema.TABLES"
            " WHERE TABLE_SCHEMA = %s",
            (database,),
        )
        (size,) = cursor.fetchone() or (0,)
    return int(size)


def _take(order: Order, admin: Link, steps: Steps) -> dict[str, Any]:
    target = spooled(order.layout, order.name)
    partial = target.with_name(f"{target.name}.partial")
    scratch = Path(order.layout["scratch"], f"backup-{order.site['slug']}")
    shutil.rmtree(scratch, ignore_errors=True)
    _sweep(order)
    scratch.mkdir(mode=0o700)
    try:
        with steps.step("dump") as step:
            manifest = _describe(order, admin)
            manifest["tables"] = _dump(order, scratch / DATABASE)
            rows = sum(table["rows"] for table in manifest["tables"].values())
            step.detail = f"{len(manifest['tables'])} tables, {rows} rows"
        with steps.step("seal") as step:
            told = Sealed()
            with sealing(partial, order.recipients, told) as pipe:
                _write(pipe, scratch / DATABASE, Path(order.site["folder"]), manifest)
            partial.rename(target)
            step.detail = f"{manifest['files']['count']} files, {told.size >> 10} KB"
            step.changed = True
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return {"size": told.size, "sha256": told.sha256, "manifest": manifest}


def _sweep(order: Order) -> None:
    """Remove what calls for this site that were killed left in the spool."""
    for left in Path(order.layout["spool"]).glob(f"{order.site['slug']}-*.partial"):
        left.unlink()


def _describe(order: Order, admin: Link) -> dict[str, Any]:
    """Return what a manifest says of the site before anything of it was read."""
    site = order.site
    note = site_tree.read_note(site["folder"])
    return {
        "format": FORMAT,
        "name": order.name,
        "taken_at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "village": dict(site["identity"]),
        "app": site["app"],
        "domain": site["domain"],
        "release": note.get("release", site["release"]),
        "commit": note.get("commit", ""),
        "php": site["php"],
        "mariadb": golden.server_version(order.layout["db_socket"]),
        "migrasi": _newest_migration(admin, site["database"]),
    }


def _newest_migration(admin: Link, database: str) -> str:
    return max(base_tables.column(admin, database, "migrasi", "versi_database"), default="")


def _dump(order: Order, target: Path) -> dict[str, Any]:
    sums, pipe = DumpSums(), subprocess.PIPE
    socket, database = order.layout["db_socket"], order.site["database"]
    with (
        reader(socket, database, "cadangan") as one,
        subprocess.Popen(  # noqa: S603 - fixed programs, no shell
            mariadb.backup_command(socket, database, one.user),
            stdin=subprocess.DEVNULL,
            stdout=pipe,
            stderr=pipe,
            env=one.environment,
        ) as dump,
        target.open("wb") as file,
    ):
        if dump.stdout is None or dump.stderr is None:
            raise OSError("mariadb-dump has no output")
        for piece in sums.read(portable(dump.stdout)):
            file.write(piece)
        said = dump.stderr.read()
    if dump.returncode:
        raise subprocess.CalledProcessError(dump.returncode, dump.args, stderr=said)
    return dict(sums.tables())


def _write(pipe: IO[bytes], dump: Path, folder: Path, manifest: dict[str, Any]) -> None:
    """Write the archive; completes the manifest, which comes last."""
    with tarfile.TarFile(mode="w", fileobj=_Pipe(pipe), copybufsize=_COPY_BYTES) as archive:
        with dump.open("rb") as file:
            entry = tarfile.TarInfo(DATABASE)
            entry.size, entry.mode = os.fstat(file.fileno()).st_size, 0o600
            archive.addfile(entry, file)
        manifest["database"] = {"bytes": entry.size, "tables": len(manifest["tables"])}
        manifest["files"] = backup_files.pack(archive, folder).figures()
        text = json.dumps(manifest, indent=1, sort_keys=True).encode() + b"\n"
        entry = tarfile.TarInfo(MANIFEST)
        entry.size, entry.mode = len(text), 0o600
        archive.addfile(entry, io.BytesIO(text))


class _Pipe(io.RawIOBase):
    """A pipe as tarfile wants a file: it asks where it begins, and then only writes."""

    def __init__(self, pipe: IO[bytes]) -> None:
        self._pipe = pipe

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return 0

    def write(self, data: ReadableBuffer) -> int:
        return self._pipe.write(data)

"""The last dump and files of a site before it is removed, verified by reading them back."""

from __future__ import annotations

import datetime as dt
import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import mariadb
from .golden import sha256
from .outcome import Refusal
from .programs import run

if TYPE_CHECKING:
    from .driver import Link
    from .variables import LayoutVars, SiteVars

DUMP, FILES, MANIFEST = "database.sql.zst", "files.tar.zst", "manifest.json"
# Made anew by every installation; and a former state, whose tables lie elsewhere.
_LEFT_OUT = ("rel", "tmp", "storage/fw", "current", "maintenance", "aside")
_INSERT = re.compile(rb"INSERT INTO `((?:[^`]|``)+)` VALUES")


def write_archive(layout: LayoutVars, site: SiteVars, admin: Link, *, with_database: bool) -> Path:
    """Write dump, files and manifest into a new folder; return it.

    Raises Refusal `archive_incomplete` when what was written is not all that is there.
    """
    now = dt.datetime.now(dt.UTC)
    folder = Path(layout["archive"], f"{site['slug']}-{now:%Y%m%dT%H%M%SZ}")
    partial = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(mode=0o700, parents=True)
    manifest: dict[str, Any] = {"slug": site["slug"], "code": site["code"], "sha256": {}}
    manifest |= {"domain": site["domain"], "taken_at": now.isoformat(timespec="seconds")}
    if with_database:
        manifest["rows"] = _dump(layout["db_socket"], site["database"], partial / DUMP, admin)
    if Path(site["folder"], "desa").is_dir():
        manifest["files"] = _pack(Path(site["folder"]), partial / FILES)
    for path in sorted(partial.iterdir()):
        path.chmod(0o600)
        manifest["sha256"][path.name] = sha256(path)
    (partial / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n")
    (partial / MANIFEST).chmod(0o600)
    os.sync()
    partial.rename(folder)
    return folder


def _dump(socket: str, database: str, target: Path, admin: Link) -> dict[str, int]:
    """Dump the database; return its rows per table, as counted there and in the dump."""
    argv = mariadb.full_dump_command(socket, database)
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as dump:  # noqa: S603 - fixed programs, no shell
        pack = ["/usr/bin/zstd", "-q", "-3", "-o", str(target)]
        subprocess.run(pack, stdin=dump.stdout, check=True)  # noqa: S603 - fixed programs, no shell
    if dump.returncode:
        raise subprocess.CalledProcessError(dump.returncode, argv)
    counted = mariadb.table_counts(admin, database)
    written = rows_in_dump(target)
    if written != counted:
        differing = sorted(name for name in counted if counted[name] != written.get(name))
        raise _incomplete(f"rows differ in {', '.join(differing) or 'tables not there any more'}")
    return counted


def rows_in_dump(path: Path) -> dict[str, int]:
    """Return the rows per table of a compressed dump; raises Refusal when it has no end.

    mariadb-dump writes each row on a line of its own and escapes line breaks in values.
    """
    rows: dict[str, int] = {}
    table, line = "", b""
    argv = ["/usr/bin/zstd", "-dcq", str(path)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as reader:  # noqa: S603 - fixed programs, no shell
        for line in reader.stdout or ():
            if line.startswith(b"CREATE TABLE `"):
                rows[_name(line.split(b"`", 1)[1].rsplit(b"` (", 1)[0])] = 0
            elif found := _INSERT.match(line):
                table = _name(found[1])
            elif line.startswith(b"("):
                rows[table] += 1
    if reader.returncode or not line.startswith(b"-- Dump completed"):
        raise _incomplete("the dump has no end")
    return rows


def _name(quoted: bytes) -> str:
    return quoted.replace(b"``", b"`").decode()


def _pack(folder: Path, target: Path) -> int:
    """Pack the site's own files; return how many entries, as found there and in the archive."""
    left_out = [f"--exclude=./{name}" for name in _LEFT_OUT]
    options = ["--zstd", "--file", str(target), "--directory", str(folder)]
    run("tar", "--create", *options, "--numeric-owner", "--anchored", *left_out, ".")
    listed = len(run("tar", "--list", "--zstd", "--file", str(target)).splitlines())
    found = 1 + sum(_entries(folder, Path()))
    if listed != found:
        raise _incomplete(f"{found} files and folders are there, {listed} in the archive")
    return listed


def _entries(folder: Path, below: Path) -> list[int]:
    """Return 1 for each entry under `folder` that is not left out."""
    found: list[int] = []
    for entry in os.scandir(folder / below):
        path = below / entry.name
        if str(path) in _LEFT_OUT:
            continue
        found.append(1)
        if entry.is_dir(follow_symlinks=False):
            found += _entries(folder, path)
    return found


def _incomplete(reason: str) -> Refusal:
    return Refusal(
        "archive_incomplete",
        f"The last archive of the site is not whole: {reason}. Nothing was removed."
        " Run this again; if it stays so, look at the site's files and database.",
        reason=reason,
    )

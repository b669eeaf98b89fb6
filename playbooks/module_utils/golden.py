"""The golden snapshot of a release: a freshly seeded database and data folder, kept to be cloned.

Seeding takes 6-40 s per village, cloning about one.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tarfile
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from . import mariadb
from .outcome import Refusal

if TYPE_CHECKING:
    from .account import Account
    from .driver import Link
    from .opensid import Seeded
    from .variables import LayoutVars, ReleaseVars

DUMP, FILES, MANIFEST = "golden.sql.gz", "desa.tar", "manifest.json"


class Manifest(TypedDict):
    """What a snapshot is of, and the checksums that prove it whole."""

    app: str
    version: str
    commit: str
    schema_version: str
    php: str
    mariadb: str
    tables: int
    password_hashes: list[str]
    sha256: dict[str, str]


def golden_folder(layout: LayoutVars, app: str, version: str) -> Path:
    """Return where the snapshot of a release lies."""
    return Path(layout["golden"], f"{app}-{version}")


def read_manifest(folder: Path) -> Manifest | None:
    """Return the manifest of a snapshot, or None when there is no whole one."""
    try:
        manifest: Manifest = json.loads((folder / MANIFEST).read_text())
    except (FileNotFoundError, ValueError):
        return None
    return manifest


def why_unusable(folder: Path, release: ReleaseVars) -> str:
    """Say why the snapshot cannot be cloned for this release; empty when it can."""
    manifest = read_manifest(folder)
    if manifest is None:
        return "there is no whole golden snapshot"
    for field in ("commit", "schema_version"):
        if manifest.get(field) != release[field]:
            return f"the golden snapshot is of another {field} ({manifest.get(field)})"
    for name in (DUMP, FILES):
        path = folder / name
        if not path.is_file() or sha256(path) != manifest["sha256"].get(name):
            return f"{name} of the golden snapshot is damaged"
    return ""


def keep(
    folder: Path,
    *,
    release: ReleaseVars,
    php: str,
    db_socket: str,
    database: str,
    village: Path,
    found: Seeded,
) -> Manifest:
    """Write the snapshot of a seeded database and data folder, whole or not at all."""
    partial = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(mode=0o700, parents=True)
    mariadb.write_dump(db_socket, database, partial / DUMP)
    _pack(village, partial / FILES)
    manifest: Manifest = {
        "app": release["app"],
        "version": release["version"],
        "commit": release["commit"],
        "schema_version": release["schema_version"],
        "php": php,
        "mariadb": server_version(db_socket),
        "tables": found["tables"],
        "password_hashes": found["password_hashes"],
        "sha256": {name: sha256(partial / name) for name in (DUMP, FILES)},
    }
    (partial / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n")
    os.sync()
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)
    return manifest


def server_version(db_socket: str) -> str:
    """Return MariaDB's version."""
    with closing(mariadb.administrator(db_socket)) as link, link.cursor() as cursor:
        cursor.execute("SELECT VERSION()")
        (version,) = cursor.fetchone() or ("",)
    return str(version)


def clone_database(folder: Path, link: Link) -> int:
    """Load the snapshot into the empty database of `link`; return the number of statements."""
    return mariadb.load(link, folder / DUMP)


def clone_files(folder: Path, target: Path, account: Account, web_group: int) -> None:
    """Unpack the snapshot's data folder into `target`, which no other account can enter."""
    with tarfile.open(folder / FILES) as archive:
        for member in archive:
            path = target / _inside(member.name)
            if member.isdir():
                path.mkdir(exist_ok=True)
                os.chown(path, account.uid, web_group)
                # The top stays closed until all of it lies there.
                path.chmod(0o2775 if path != target else 0o700)
            elif member.isfile():
                content = archive.extractfile(member)
                path.write_bytes(content.read() if content else b"")
                os.chown(path, account.uid, web_group)
                path.chmod(0o644)


def _inside(name: str) -> str:
    if name.startswith("/") or ".." in Path(name).parts:
        raise Refusal(
            "golden_damaged",
            f"The golden snapshot holds the unsafe name {name}. Remove its folder, then run"
            " this again to make it anew.",
            name=name,
        )
    return name


def _pack(village: Path, target: Path) -> None:
    """Archive a seeded data folder without what is each village's own."""

    def chosen(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
        own = member.name in {"./config", "./app_key"} or member.name.startswith("./cache/")
        return member if (member.isdir() or member.isfile()) and not own else None

    with tarfile.open(target, "w") as archive:
        archive.add(village, arcname=".", filter=chosen)


def sha256(path: Path) -> str:
    """Return the checksum of a file in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

"""Proving a backup: it is restored into a throw-away schema and counted against its manifest."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import own_backup, sandbox
from .content_sums import DumpSums
from .outcome import Refusal
from .programs import run
from .scratch import scratch
from .sealing import opening

if TYPE_CHECKING:
    from .outcome import Steps
    from .own_backup import Contents
    from .scratch import Scratch
    from .variables import LayoutVars

_NAMED = 5


@dataclass(frozen=True)
class Proof:
    """A backup as it arrived, and what the panel knows of it since it was taken."""

    layout: LayoutVars
    source: Path
    identity: Path
    size: int
    sha256: str
    manifest_sha256: str


def prove(proof: Proof, steps: Steps) -> dict[str, Any]:
    """Restore the backup into a scratch schema and compare it; return what was counted.

    Raises Refusal `backup_changed`, `backup_wrong_key`, `backup_damaged`, `backup_foreign` or
    `backup_differs`.
    """
    began = time.monotonic()
    with steps.step("transfer"):
        check_sum(proof.source, proof.size, proof.sha256)
    with scratch(proof.layout) as place:
        with steps.step("restore") as step:
            found = _restore(proof, place)
            step.detail = f"{found.files.count} files"
        with steps.step("compare") as step:
            tables = tables_of(place)
            check_manifest(proof.manifest_sha256, found.manifest)
            compare(found.manifest, found.files.figures(), tables)
            step.detail = f"{len(tables)} tables"
    residents = tables.get("tweb_penduduk", {"rows": 0})["rows"]
    return {
        "tables": len(tables),
        "rows": sum(table["rows"] for table in tables.values()),
        "residents": residents,
        "files": found.files.count,
        "seconds": round(time.monotonic() - began, 2),
    }


def check_sum(path: Path, size: int, sha256: str) -> None:
    """Raise Refusal `backup_changed` unless a file is what was taken."""
    found = path.stat().st_size
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if (found, digest) != (size, sha256):
        raise Refusal(
            "backup_changed",
            f"The backup is not what was taken: {found} bytes of {size}, checksum"
            f" {digest[:12]} instead of {sha256[:12]}. Use its copy in another store, and look"
            " at the store this one came from.",
            size=size,
            found=found,
        )


def _restore(proof: Proof, place: Scratch) -> Contents:
    """Load the database, read every file; as a restore does, but that no file is written."""
    with opening(proof.source, proof.identity) as plain:
        return own_backup.read(plain, database=place.load)


def tables_of(place: Scratch) -> dict[str, Any]:
    """Dump the schema again and add that up, by the schema's own user."""
    sums = DumpSums()
    with sandbox.dump(place.access(), place.account) as dump:
        for _ in sums.read(dump):
            continue
    return dict(sums.tables())


def manifest_hash(manifest: dict[str, Any]) -> str:
    """Return what tells a manifest from any other; the panel reckons it the same way."""
    return hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()


def check_manifest(expected: str, manifest: dict[str, Any]) -> None:
    """Raise Refusal `backup_foreign` unless a manifest is the one that was written when taken."""
    if manifest_hash(manifest) != expected:
        raise Refusal(
            "backup_foreign",
            f"The file holds another backup: {_title(manifest)}. Look who can write into the"
            " store.",
            found=_title(manifest),
        )


def compare(manifest: dict[str, Any], files: dict[str, Any], tables: dict[str, Any]) -> None:
    """Raise Refusal `backup_differs` unless what was restored is what the manifest counts."""
    known = manifest["tables"]
    wrong = [name for name in {*tables, *known} if tables.get(name) != known.get(name)]
    if wrong or files != {key: manifest["files"][key] for key in files}:
        what = ", ".join(sorted(wrong)[:_NAMED]) or "the files"
        raise Refusal(
            "backup_differs",
            f"What was restored is not what was taken: {what} differ. Take a new backup, and"
            " report this with the run's log.",
            tables=len(wrong),
            what=what,
        )


def _title(manifest: dict[str, Any]) -> str:
    village = manifest.get("village", {})
    return f"{village.get('nama_desa', '?')} {manifest.get('taken_at', '?')}"


def public_key(identity: Path) -> str:
    """Return the public key of a private one, which is made when there is none."""
    if not identity.exists():
        fresh = identity.with_name(f"{identity.name}.new")
        fresh.unlink(missing_ok=True)
        # age-keygen makes it 0600.
        run("age-keygen", "-o", str(fresh))
        fresh.rename(identity)
    return run("age-keygen", "-y", str(identity)).decode().strip()

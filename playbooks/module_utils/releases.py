"""Releases on a server: immutable folders, unpacked once, shared by every site."""

from __future__ import annotations

import json
import os
import shutil
import tarfile
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from .fence import hold
from .golden import sha256
from .opensid import EMPTY_FOLDER
from .outcome import Refusal

if TYPE_CHECKING:
    from .variables import LayoutVars, PhpVars, ReleaseVars

MARKER = ".siappakai-release.json"
_FOLDER_MODE, _FILE_MODE = 0o555, 0o444
_PATIENCE_SECONDS = 600.0


def release_folder(layout: LayoutVars, app: str, version: str) -> Path:
    """Return where a release lies."""
    return Path(layout["releases"], app, version)


def is_present(layout: LayoutVars, release: ReleaseVars) -> bool:
    """Whether the release lies here; one of another commit that no site has counts as absent.

    Raises Refusal `release_moved` when such a one is in use, or of unknown origin.
    """
    folder = release_folder(layout, release["app"], release["version"])
    try:
        marker = json.loads((folder / MARKER).read_text())
    except FileNotFoundError:
        if folder.exists():
            raise _moved(release, "of unknown origin") from None
        return False
    if marker["commit"] == release["commit"]:
        return True
    if _is_in_use(layout, release):
        raise _moved(release, f"commit {marker['commit'][:12]}")
    return False


def _is_in_use(layout: LayoutVars, release: ReleaseVars) -> bool:
    """Whether a site has a view of the version, be it served or not."""
    views = Path(layout["sites"]).glob(f"{release['app']}-*/rel/{release['version']}")
    return next(views, None) is not None


def _moved(release: ReleaseVars, found: str) -> Refusal:
    return Refusal(
        "release_moved",
        f"The server has a release {release['version']} {found}, not commit"
        f" {release['commit'][:12]}. A release never changes while sites have it: remove those"
        " sites first, or give the new one a version of its own.",
        version=release["version"],
        commit=release["commit"],
    )


def bring(layout: LayoutVars, release: ReleaseVars, archive: Path) -> bool:
    """Unpack the release unless it lies here, then remove its archive; return whether it did.

    Runs that bring the same release share the archive and wait for each other.
    Raises Refusal as `is_present` and `unpack` do, or `busy`.
    """
    name = f".release-{release['app']}-{release['version']}"
    with hold(layout["lock_dir"], name, patience=_PATIENCE_SECONDS):
        missing = not is_present(layout, release)
        if missing:
            unpack(layout, release, archive)
        archive.unlink(missing_ok=True)
    return missing


def unpack(layout: LayoutVars, release: ReleaseVars, archive: Path) -> None:
    """Unpack a checked archive into the release's folder, whole or not at all; see `bring`.

    Raises Refusal `archive_damaged`, `archive_unsafe` or `archive_incomplete`.
    """
    _check_sum(archive, release)
    folder = release_folder(layout, release["app"], release["version"])
    partial = folder.with_name(f"{folder.name}.partial")
    if partial.exists():
        shutil.rmtree(partial)
    for level in (Path(layout["releases"]), folder.parent):
        level.mkdir(mode=0o755, exist_ok=True)
        level.chmod(0o755)
    partial.mkdir(mode=0o700)
    written = _extract(archive, partial, release)
    top = _top(partial)
    (top / EMPTY_FOLDER).mkdir(parents=True, exist_ok=True)
    marker = {"commit": release["commit"], "archive_sha256": release["archive_sha256"]}
    (top / MARKER).write_text(json.dumps(marker) + "\n")
    _require_whole(written, _seal(top) - 1, release)
    os.sync()
    aside = folder.with_name(f".{folder.name}.gone")
    shutil.rmtree(aside, ignore_errors=True)
    if folder.exists():
        folder.rename(aside)
    top.rename(folder)
    shutil.rmtree(aside, ignore_errors=True)
    if top != partial:
        partial.rmdir()


def _require_whole(written: int, found: int, release: ReleaseVars) -> None:
    """Raise Refusal when files are missing: a release is sealed for ever."""
    if written != found:
        raise Refusal(
            "archive_incomplete",
            f"Of the {written} files of {release['version']} only {found} lie in its folder;"
            " something else works on it. Nothing was put in use: run this again.",
            version=release["version"],
        )


def _check_sum(archive: Path, release: ReleaseVars) -> None:
    found = sha256(archive)
    if found != release["archive_sha256"]:
        raise Refusal(
            "archive_damaged",
            f"The archive of {release['version']} has checksum {found[:12]}…, not"
            f" {release['archive_sha256'][:12]}…. Fetch the release again.",
            version=release["version"],
        )


def _extract(archive: Path, target: Path, release: ReleaseVars) -> int:
    """Write plain files and folders only, return the number of files.

    Nothing in the archive decides modes or owners.
    """
    written = 0
    with tarfile.open(archive, "r|*") as members:
        for member in members:
            path = target / _safe(member)
            if member.isdir():
                path.mkdir(parents=True, exist_ok=True)
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                content = members.extractfile(member)
                with path.open("xb") as file:
                    if content:
                        shutil.copyfileobj(content, file, 1 << 20)
                written += 1
        # `git archive` leaves the commit it was made of in the archive's header.
        origin = members.pax_headers.get("comment", release["commit"])
    if origin != release["commit"]:
        raise Refusal(
            "archive_damaged",
            f"The archive of {release['version']} is of commit {origin[:12]}, not"
            f" {release['commit'][:12]}. Fetch the release again.",
            version=release["version"],
        )
    return written


def _safe(member: tarfile.TarInfo) -> PurePosixPath:
    path = PurePosixPath(member.name)
    if path.is_absolute() or ".." in path.parts or not (member.isdir() or member.isfile()):
        raise Refusal(
            "archive_unsafe",
            f"The archive holds {member.name!r}, which is a link, a device or lies outside."
            " Do not use this release; check where it comes from.",
            name=member.name,
        )
    return path


def _top(partial: Path) -> Path:
    """Return the folder of the application, inside the archive's one folder or not."""
    children = list(partial.iterdir())
    top = children[0] if len(children) == 1 and children[0].is_dir() else partial
    if not (top / "index.php").is_file():
        raise Refusal(
            "archive_incomplete",
            "The archive holds no index.php, so it is no release of this application."
            " Check the release source.",
        )
    return top


def _seal(top: Path) -> int:
    """Make everything read-only; return the number of files."""
    sealed = 0
    for folder, _, files in os.walk(top, topdown=False):
        for name in files:
            os.chmod(f"{folder}/{name}", _FILE_MODE)  # noqa: PTH101 - 8,700 of them
        os.chmod(folder, _FOLDER_MODE)  # noqa: PTH101 - as many folders
        sealed += len(files)
    return sealed


def php_of(layout: LayoutVars, release: ReleaseVars, version: str) -> PhpVars:
    """Return the server's PHP `version`; raises Refusal `php_not_seen` or `php_missing`."""
    if version not in release["php_versions"]:
        seen = ", ".join(release["php_versions"]) or "none"
        raise Refusal(
            "php_not_seen",
            f"{release['app']} {release['version']} was not seen working on PHP {version}"
            f" (seen: {seen}). Choose one of those for the site.",
            php=version,
            seen=release["php_versions"],
        )
    for php in layout["php"]:
        if php["version"] == version:
            return php
    raise Refusal(
        "php_missing",
        f"This server has no PHP {version}. Prepare the server with it, then run this again.",
        php=version,
    )

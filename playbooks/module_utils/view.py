"""A site's view of a release: links into it, and the few files that must be the site's own."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from .opensid import COPIED_ASSET, LINKED

if TYPE_CHECKING:
    from collections.abc import Iterator


def build_view(folder: str, release: str, version: str) -> bool:
    """Make `folder`/rel/`version`, whole or not at all; return whether it was missing.

    An existing view is right: it came into being by a rename and belongs to root.
    """
    view = Path(folder, "rel", version)
    if view.is_dir():
        return False
    fresh = view.with_name(f"{version}.new")
    if fresh.exists():
        shutil.rmtree(fresh)
    _fill(fresh, Path(release), version)
    fresh.rename(view)
    return True


def _fill(view: Path, release: Path, version: str) -> None:
    (view / "storage").mkdir(parents=True)
    for name, target in _links(release, version):
        (view / name).symlink_to(target)
    # PHP resolves a linked file to where it really lies; these two find the site's folders
    # relative to themselves.
    _same_file(release / "index.php", view / "index.php")
    assets = release / "assets"
    if assets.is_dir():
        (view / "assets").mkdir()
        for child in assets.iterdir():
            if child.name != COPIED_ASSET:
                (view / "assets" / child.name).symlink_to(child)
        if (assets / COPIED_ASSET).is_dir():
            _same_tree(assets / COPIED_ASSET, view / "assets" / COPIED_ASSET)
    for folder in (view, view / "storage", view / "assets"):
        if folder.is_dir():
            folder.chmod(0o755)


def _links(release: Path, version: str) -> Iterator[tuple[str, str]]:
    yield from ((name, str(release / name)) for name in LINKED if (release / name).exists())
    if (release / "storage/app").is_dir():
        yield "storage/app", str(release / "storage/app")
    yield "storage/framework", f"../../../storage/fw/{version}"
    yield "storage/logs", "../../../storage/logs"
    yield "desa", "../../desa"
    yield "backup_inkremental", "../../backup_inkremental"


def _same_tree(source: Path, target: Path) -> None:
    target.mkdir()
    for entry in os.scandir(source):
        if entry.is_dir(follow_symlinks=False):
            _same_tree(Path(entry.path), target / entry.name)
        else:
            _same_file(Path(entry.path), target / entry.name)
    target.chmod(0o755)


def _same_file(source: Path, target: Path) -> None:
    """Hard link, or copy when releases and sites lie on two file systems."""
    try:
        target.hardlink_to(source)
    except OSError as problem:
        if problem.errno not in {errno.EXDEV, errno.EMLINK}:
            raise
        shutil.copy2(source, target)

"""Folders, files and links as they shall be, compared with what is there.

Parts of a site's folder belong to the village's own PHP. Every path is therefore walked from
an open directory without following links, so that nothing there can lead root elsewhere.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from .outcome import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .account import Account

ROOT_ID = 0
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW


@dataclass(frozen=True)
class Entry:
    """One thing in a tree, its `path` relative to the tree's root.

    With `content` it is a file, with `target` a symbolic link, else a folder. One that `is_durable`
    is there, whole, even if power fails right after.
    """

    path: str
    mode: int = 0o755
    uid: int = ROOT_ID
    gid: int = ROOT_ID
    content: bytes | None = None
    target: str | None = None
    is_durable: bool = False


def owned(path: str, account: Account, mode: int) -> Entry:
    """Return a folder that belongs to an account."""
    return Entry(path, mode, account.uid, account.gid)


def differing(root: str, entries: Sequence[Entry]) -> list[Entry]:
    """Return the entries that are not there as described; reads only."""
    if not os.path.isdir(root):  # noqa: PTH112 - a string all the way, no object per site
        return list(entries)
    with _open(root) as top:
        return [entry for entry in entries if not _is_right(top, entry)]


def misowned(root: str, entries: Sequence[Entry]) -> list[str]:
    """Return the paths that are not of the kind, mode and owner described; reads no content."""
    with _open(root) as top:
        return [entry.path for entry in entries if not _is_right(top, entry, content=False)]


def apply(root: str, entries: Sequence[Entry]) -> None:
    """Make the entries so, in order; raises Refusal `path_blocked` when one cannot be."""
    with _open(root) as top:
        for entry in entries:
            _make(top, entry)


def read_file(root: str, path: str, *, limit: int = 65536) -> bytes | None:
    """Return a regular file's beginning without following links; None when there is none."""
    try:
        with _parent(root, path) as (parent, name):
            return _read(parent, name, limit)
    except OSError as problem:
        if problem.errno in {errno.ENOENT, errno.ENOTDIR, errno.ELOOP}:
            return None
        raise


def exists(root: str, path: str) -> bool:
    """Tell whether there is something at a path, be it a link, without following any."""
    try:
        with _parent(root, path) as (parent, name):
            os.stat(name, dir_fd=parent, follow_symlinks=False)
    except OSError as problem:
        if problem.errno in {errno.ENOENT, errno.ENOTDIR, errno.ELOOP}:
            return False
        raise
    return True


def move(root: str, source: str, target: str) -> None:
    """Rename a file or folder inside a tree, without following links on either way."""
    with (
        _parent(root, source) as (here, name),
        _parent(root, target) as (there, new_name),
    ):
        os.rename(name, new_name, src_dir_fd=here, dst_dir_fd=there)
        # At the new place first: what power fails in between is there twice, never nowhere.
        os.fsync(there)
        os.fsync(here)


def clear(root: str, path: str) -> None:
    """Delete what is in a folder, if it is one; follows no link on the way or in it."""
    try:
        with _parent(root, path) as (parent, name), _open(name, parent) as folder:
            for entry in os.listdir(folder):  # noqa: PTH208 - of an open folder, by no path
                with suppress(FileNotFoundError):
                    kind = os.stat(entry, dir_fd=folder, follow_symlinks=False).st_mode
                    if stat.S_ISDIR(kind):
                        shutil.rmtree(entry, dir_fd=folder)
                    else:
                        os.unlink(entry, dir_fd=folder)
    except OSError as problem:
        if problem.errno not in {errno.ENOENT, errno.ENOTDIR, errno.ELOOP}:
            raise


@contextmanager
def _open(path: str, parent: int | None = None) -> Iterator[int]:
    descriptor = os.open(path, _DIRECTORY, dir_fd=parent)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def _parent(root: str | int, path: str) -> Iterator[tuple[int, str]]:
    """Open the folder that holds `path` below `root`, one step at a time."""
    *folders, name = PurePosixPath(path).parts
    at = os.dup(root) if isinstance(root, int) else os.open(root, _DIRECTORY)
    try:
        for folder in folders:
            below = os.open(folder, _DIRECTORY, dir_fd=at)
            os.close(at)
            at = below
        yield at, name
    finally:
        os.close(at)


def _is_right(top: int, entry: Entry, *, content: bool = True) -> bool:
    try:
        with _parent(top, entry.path) as (parent, name):
            found = os.stat(name, dir_fd=parent, follow_symlinks=False)
            if entry.target is not None:
                return stat.S_ISLNK(found.st_mode) and (
                    os.readlink(name, dir_fd=parent) == entry.target
                )
            if not _attributes_are_right(found, entry):
                return False
            wanted = entry.content if content else None
            return wanted is None or _read(parent, name, len(wanted) + 1) == wanted
    except OSError:
        return False


def _attributes_are_right(found: os.stat_result, entry: Entry) -> bool:
    kind = stat.S_ISDIR if entry.content is None else stat.S_ISREG
    return (
        kind(found.st_mode)
        and stat.S_IMODE(found.st_mode) == entry.mode
        and (found.st_uid, found.st_gid) == (entry.uid, entry.gid)
    )


def _read(parent: int, name: str, limit: int) -> bytes | None:
    descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=parent)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return None
        return os.read(descriptor, limit)
    finally:
        os.close(descriptor)


def _make(top: int, entry: Entry) -> None:
    try:
        with _parent(top, entry.path) as (parent, name):
            if entry.target is not None:
                replace_link(parent, name, entry.target)
            elif entry.content is not None:
                _replace_file(parent, name, entry)
            else:
                _make_folder(parent, name, entry)
    except (NotADirectoryError, FileExistsError, IsADirectoryError) as problem:
        raise Refusal(
            "path_blocked",
            f"{entry.path} cannot be made, something else is in its place"
            f" ({problem.strerror}). Look at it, move it away, then run this again.",
            path=entry.path,
        ) from problem


def _make_folder(parent: int, name: str, entry: Entry) -> None:
    with suppress(FileExistsError):
        os.mkdir(name, 0o700, dir_fd=parent)
    with _open(name, parent) as descriptor:
        _own(descriptor, entry)
    if entry.is_durable:
        os.fsync(parent)


def _replace_file(parent: int, name: str, entry: Entry) -> None:
    """Write beside it and rename: a reader sees the old file or the new one."""
    fresh = _clear(parent, name)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    descriptor = os.open(fresh, flags, 0o600, dir_fd=parent)
    with os.fdopen(descriptor, "wb") as file:
        file.write(entry.content or b"")
        file.flush()
        _own(file.fileno(), entry)
        if entry.is_durable:
            # Before the rename: a file system may keep the new name and lose the content.
            os.fsync(file.fileno())
    os.rename(fresh, name, src_dir_fd=parent, dst_dir_fd=parent)
    if entry.is_durable:
        os.fsync(parent)


def replace_link(parent: int, name: str, target: str) -> None:
    """Point the link `name` in an open folder at `target`, in one rename(2)."""
    fresh = _clear(parent, name)
    os.symlink(target, fresh, dir_fd=parent)
    os.rename(fresh, name, src_dir_fd=parent, dst_dir_fd=parent)


def _clear(parent: int, name: str) -> str:
    """Return the name a replacement is prepared under, freed of what a killed call left."""
    fresh = f".{name}.new"
    with suppress(FileNotFoundError):
        os.unlink(fresh, dir_fd=parent)
    return fresh


def _own(descriptor: int, entry: Entry) -> None:
    # In this order: chown clears the setgid bit.
    os.fchown(descriptor, entry.uid, entry.gid)
    os.fchmod(descriptor, entry.mode)

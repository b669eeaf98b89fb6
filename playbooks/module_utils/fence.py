"""One worker per site: a lock, and a token that only ever grows.

An orphan of a killed worker cannot work beside its successor (the lock), nor after it (the
token). Files lie on /run, so a reboot frees everything.
"""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from .outcome import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterator

PATIENCE_SECONDS = 120.0
_PAUSE_SECONDS = 0.05


@contextmanager
def hold(lock_dir: str, name: str, *, patience: float = PATIENCE_SECONDS) -> Iterator[int]:
    """Hold the lock `name`, waiting at most `patience` seconds; yields its descriptor.

    Raises Refusal `busy` when somebody else keeps it for longer.
    """
    folder = Path(lock_dir)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = _acquire(folder / name, time.monotonic() + patience)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def fenced(
    lock_dir: str, slug: str, token: int, *, dry: bool = False, patience: float = PATIENCE_SECONDS
) -> Iterator[None]:
    """Hold the site's lock and write down `token`; a dry run looks and writes nothing.

    Raises Refusal `superseded` when a newer run has worked on the site already, `busy` when
    another one works on it now.
    """
    with hold(lock_dir, slug, patience=patience) as descriptor:
        seen = int(os.pread(descriptor, 32, 0) or b"0")
        if token < seen:
            raise Refusal(
                "superseded",
                f"Run {token} is older than run {seen}, which has worked on {slug} already."
                " Nothing was done; look at the newer run.",
                token=token,
                seen=seen,
            )
        if not dry:
            os.pwrite(descriptor, f"{token:<31}\n".encode(), 0)
        yield


def hand_over(lock_dir: str, slug: str, token: int, *, patience: float) -> None:
    """Leave `token` with a site, so that an older run which comes for it later is refused.

    Raises as `fenced` does.
    """
    with fenced(lock_dir, slug, token, patience=patience):
        return


def _acquire(path: Path, deadline: float) -> int:
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        if _lock(descriptor) and _is_still(path, descriptor):
            return descriptor
        os.close(descriptor)
        if time.monotonic() > deadline:
            raise Refusal(
                "busy",
                f"Something else has been working on {path.name} for too long."
                " Look which run that is, then run this again.",
                lock=path.name,
            )
        time.sleep(_PAUSE_SECONDS)


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_still(path: Path, descriptor: int) -> bool:
    """Whether the locked file is the one at `path`: a removal may have unlinked it meanwhile."""
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False

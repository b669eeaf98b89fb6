"""One at a time on this machine, by locks that end with the process that holds them."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from siappakai.config import Settings
from siappakai.errors import ConflictError
from siappakai.wording import say


@contextmanager
def held(path: Path, refusal: ConflictError) -> Iterator[None]:
    """Hold the lock on a file or folder that is there; raises `refusal` while another one does."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise refusal from None
    try:
        yield
    finally:
        os.close(descriptor)


def alone(folder: Path) -> AbstractContextManager[None]:
    """Change the service that lies in `folder`; raises ConflictError while another one does."""
    folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    refusal = ConflictError(
        say("Layanan ini sedang dipasang, dimutakhirkan atau dilepas."),
        say("Tunggu sampai selesai, lalu ulangi perintah ini."),
    )
    return held(folder, refusal)


def refuse_beside_make_run(settings: Settings) -> None:
    """Raise ConflictError while `make run` is at work on the same registry."""
    file = settings.run_dir / "supervisor.lock"
    if not file.exists():
        return
    refusal = ConflictError(
        say("SiapPakai sedang berjalan dengan make run."),
        say("Hentikan dahulu (Ctrl-C), lalu ulangi perintah ini."),
    )
    with held(file, refusal):
        return

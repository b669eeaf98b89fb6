"""One at a time on this machine: installing, upgrading or removing the service, and `make run`."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from siappakai.config import Settings
from siappakai.errors import ConflictError
from siappakai.wording import say


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Change the service that lies in `folder`; raises ConflictError while another one does."""
    folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConflictError(
                say("Layanan ini sedang dipasang, dimutakhirkan atau dilepas."),
                say("Tunggu sampai selesai, lalu ulangi perintah ini."),
            ) from None
        yield


def refuse_beside_make_run(settings: Settings) -> None:
    """Raise ConflictError while `make run` is at work on the same registry."""
    file = settings.run_dir / "supervisor.lock"
    if not file.exists():
        return
    with file.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConflictError(
                say("SiapPakai sedang berjalan dengan make run."),
                say("Hentikan dahulu (Ctrl-C), lalu ulangi perintah ini."),
            ) from None

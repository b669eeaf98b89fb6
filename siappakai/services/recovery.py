"""Regaining a panel on a bare machine: from its kit, the recovery key and one store.

All is verified before anything is changed, what was there is copied first, and what fails
afterwards is taken back. What is killed on the way goes on when it is asked for again.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from sqlalchemy import create_engine, inspect, make_url
from sqlalchemy.exc import DBAPIError

from siappakai.config import Settings
from siappakai.credentials import open_text, write_key_ring
from siappakai.domain.recovery_kit import Kit
from siappakai.domain.registry_backups import Manifest
from siappakai.errors import ConflictError, RefusedError, SiapPakaiError, UnreachableError
from siappakai.gateways.registry_copy import kind_of, restore_registry, save_registry
from siappakai.gateways.systemd import TARGET, Systemd
from siappakai.models import recovering
from siappakai.models.app import open_registry
from siappakai.models.migrating import knows_revision, upgrade_registry
from siappakai.services import recovery_aftermath
from siappakai.services.exclusion import refuse_beside_make_run
from siappakai.services.recovery_aftermath import Ended, Regained
from siappakai.services.recovery_search import Candidate, Fetched, Search
from siappakai.wording import say

_SCRATCH: Final = ".recover-"
_KEPT: Final = "before-recovery"
_SQLITE: Final = "sqlite"
_BESIDE: Final = ("", "-wal", "-shm", "-journal")


@dataclass(frozen=True, slots=True)
class Recovered:
    """What was done: which backup was taken, and where what was there before was copied to.

    `before` is None when there was nothing. `unusable` tells what was passed over, and why.
    """

    backup: str
    store: str
    taken_at: datetime
    before: Path | None
    unusable: str
    ended: Ended
    regained: Regained


def recover(
    settings: Settings,
    *,
    kit: str,
    identity: str,
    systemd: Systemd,
    replaces: bool = False,
    takes_older: bool = False,
    by: str,
) -> Recovered:
    """Bring back the registry and key ring of the panel that made `kit`.

    An existing registry is copied and read back before it is replaced, and only when told so
    (`replaces`). A newest backup that cannot be used ends it, unless an older one is wanted
    (`takes_older`). One that was killed is gone on with: what it had put there is no registry to
    be told about, and the copy it made stays the one to go back to. Raises InvalidInputError
    (fields `kit`, `key`), RefusedError, ConflictError, NotFoundError, UnreachableError; nothing is
    changed then.
    """
    known = Kit.read(open_text(kit, identity))
    _refuse_beside_service(settings, systemd)
    cut_off = recovering.cut_off(settings.state)
    is_there = cut_off is None and _is_there(settings)
    if is_there and not replaces:
        raise ConflictError(
            say("Di mesin ini sudah ada registri."),
            say("Ulangi dengan --replace: registri itu disalin dahulu, lalu diganti."),
        )
    search = Search(known, identity, settings.ssh_timeout_seconds)
    with _scratch(settings.state) as folder:
        fetched = _fetch(search, folder, takes_older=takes_older)
        _refuse_unfit(settings, fetched.manifest)
        before = cut_off.before if cut_off else None
        if is_there:
            before = _keep(settings, folder)
        ended = _replace(settings, known, fetched, before, by=by)
    with open_registry(settings):
        regained = recovery_aftermath.look()
    taken_at = datetime.fromisoformat(fetched.manifest.taken_at)
    return Recovered(fetched.name, fetched.store, taken_at, before, search.told(), ended, regained)


def _refuse_beside_service(settings: Settings, systemd: Systemd) -> None:
    if not settings.state.is_dir():
        raise RefusedError(
            say("Folder %(folder)s belum ada.", folder=settings.state),
            say("Pasang SiapPakai dahulu (make service), hentikan, lalu ulangi."),
        )
    refuse_beside_make_run(settings)
    if systemd.state(TARGET) == "active":
        raise ConflictError(
            say("Panel sedang berjalan di mesin ini."),
            say("Hentikan dahulu: systemctl stop siappakai.target."),
        )


def _is_there(settings: Settings) -> bool:
    """Tell whether there is a registry already; raises SiapPakaiError when that cannot be seen."""
    url = make_url(settings.registry_url)
    if kind_of(settings.registry_url) == _SQLITE and not Path(url.database or "").exists():
        return False
    engine = create_engine(url)
    try:
        return bool(inspect(engine).get_table_names())
    except DBAPIError as error:
        raise SiapPakaiError(
            say("Basis data untuk registri tidak dapat dipakai: %(reason)s", reason=error.orig),
            say("Periksa database_url di siappakai.toml; tidak ada yang diubah."),
        ) from error
    finally:
        engine.dispose()


@contextmanager
def _scratch(state: Path) -> Iterator[Path]:
    """Yield a closed folder; what a recovery that was killed left is gone."""
    for left in state.glob(f"{_SCRATCH}*"):
        shutil.rmtree(left)
    folder = Path(tempfile.mkdtemp(prefix=_SCRATCH, dir=state))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def _fetch(search: Search, folder: Path, *, takes_older: bool) -> Fetched:
    """Bring the newest backup here, or the newest that can be used."""
    newest, *older = search.candidates()
    if search.silent and not takes_older:
        raise _may_be_newer(search, newest)
    try:
        return search.fetch(newest, folder)
    except SiapPakaiError as problem:
        for candidate in older if takes_older else []:
            try:
                return search.fetch(candidate, folder)
            except SiapPakaiError:
                continue
        raise _told_of(problem, newest.name, has_older=bool(older) and not takes_older) from problem


def _may_be_newer(search: Search, newest: Candidate) -> UnreachableError:
    return UnreachableError(
        say(
            "Tidak semua penyimpanan menjawab (%(told)s); cadangan terbaru yang terlihat diambil "
            "%(taken_at)s.",
            told=search.told(),
            taken_at=f"{newest.taken_at:%Y-%m-%d %H:%M} UTC",
        ),
        say(
            "Yang lebih baru mungkin ada di sana: pulihkan sambungannya, lalu ulangi. Dengan "
            "--older dipakai yang terlihat itu."
        ),
    )


def _told_of(problem: SiapPakaiError, name: str, *, has_older: bool) -> SiapPakaiError:
    what = say("Cadangan %(name)s tidak dapat dipakai: %(what)s", name=name, what=problem.what)
    if not has_older:
        return type(problem)(what, problem.todo)
    older = say("Dengan --older dipakai cadangan sebelumnya, yang lebih lama.")
    return type(problem)(what, say("%(todo)s %(older)s", todo=problem.todo, older=older))


def _refuse_unfit(settings: Settings, manifest: Manifest) -> None:
    """Raise RefusedError for a backup that this machine, as it is set up, cannot take."""
    kind = kind_of(settings.registry_url)
    if manifest.kind != kind:
        raise RefusedError(
            say(
                "Cadangan itu dari registri %(made)s, bukan %(kind)s.",
                made=manifest.kind,
                kind=kind,
            ),
            say(
                "Isi database_url di siappakai.toml dengan basis data kosong sejenis, lalu ulangi."
            ),
        )
    if not knows_revision(manifest.revision):
        raise RefusedError(
            say("Cadangan itu dibuat SiapPakai %(version)s.", version=manifest.program),
            say("Pasang versi itu atau yang lebih baru di mesin ini, lalu ulangi."),
        )
    # Runs are told apart by the time: servers refuse what is older than what they have seen.
    if datetime.fromisoformat(manifest.taken_at) > datetime.now(UTC):
        raise RefusedError(
            say("Menurut jam mesin ini cadangan itu dibuat di masa depan."),
            say("Betulkan jam mesin ini (NTP), lalu ulangi."),
        )


def _keep(settings: Settings, scratch: Path) -> Path:
    """Copy the registry that is there, and its key ring; return the folder, whole when it is."""
    half = scratch / _KEPT
    half.mkdir(mode=0o700)
    save_registry(settings.registry_url, half / "registry")
    if settings.credentials_file.exists():
        write_key_ring(half / "credentials.key", _lines(settings.credentials_file))
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
    return half.rename(settings.state / f"{_KEPT}-{stamp}")


def _replace(
    settings: Settings, kit: Kit, fetched: Fetched, before: Path | None, *, by: str
) -> Ended:
    """Put registry and key ring in place and make them fit to go on; or take it all back."""
    ring = settings.credentials_file
    recovering.begin(settings.state, before)
    with ExitStack() as undo:
        undo.callback(_take_back, settings, before)
        _make_file(settings)
        restore_registry(settings.registry_url, fetched.dump)
        write_key_ring(ring, [key.encode() for key in kit.key_ring])
        upgrade_registry(settings)
        with open_registry(settings, recovers=True):
            ended = recovery_aftermath.settle(
                fetched.name, datetime.fromisoformat(fetched.manifest.taken_at), by=by
            )
        undo.pop_all()
    recovering.end(settings.state)
    return ended


def _make_file(settings: Settings) -> None:
    """Make the file of a new SQLite registry; it is restored into like one that is there."""
    if kind_of(settings.registry_url) == _SQLITE:
        file = make_url(settings.registry_url).database or ""
        os.close(os.open(file, os.O_RDWR | os.O_CREAT, 0o640))


def _take_back(settings: Settings, before: Path | None) -> None:
    """Bring back what was there, absence included; a database server's tables stay then."""
    if before is not None:
        _bring_back(settings, before)
    else:
        _clear(settings)
    recovering.end(settings.state)


def _bring_back(settings: Settings, before: Path) -> None:
    restore_registry(settings.registry_url, before / "registry")
    if (before / "credentials.key").exists():
        write_key_ring(settings.credentials_file, _lines(before / "credentials.key"))


def _clear(settings: Settings) -> None:
    settings.credentials_file.unlink(missing_ok=True)
    if kind_of(settings.registry_url) == _SQLITE:
        for suffix in _BESIDE:
            Path(f"{make_url(settings.registry_url).database}{suffix}").unlink(missing_ok=True)


def _lines(ring: Path) -> list[bytes]:
    return ring.read_bytes().split()

"""Looking at servers now and then, so that a silent or full one is noticed before a run is."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import select

from siappakai.domain.servers import MissingSudoError, PythonMissingError
from siappakai.domain.states import ServerState
from siappakai.errors import SiapPakaiError, UnreachableError
from siappakai.models import Server, db, registry_now
from siappakai.models.app import current_settings
from siappakai.models.transactions import transaction
from siappakai.services.enrolment import keep_facts, look_again
from siappakai.ssh import HostKeyChangedError, KeyRefusedError

log = logging.getLogger(__name__)

# One that is silent is tried more often: people wait for it.
_SILENT_SECONDS: Final = 60
_CAUSES: Final[Sequence[tuple[type[SiapPakaiError], str]]] = (
    (UnreachableError, "unreachable"),
    (HostKeyChangedError, "host_key"),
    (KeyRefusedError, "key_refused"),
    (MissingSudoError, "sudo"),
    (PythonMissingError, "python"),
    (SiapPakaiError, "refused"),
)


def due_servers(now: datetime | None = None) -> list[int]:
    """Return the servers that nobody has looked at for a while."""
    now = now or registry_now(db.session())
    query = select(Server).where(Server.state != ServerState.FORGOTTEN).order_by(Server.id)
    return [server.id for server in db.session.scalars(query) if _is_due(server, now)]


def watch_server(server_id: int, now: datetime | None = None) -> None:
    """Look at a server if it is due: keep what is seen, or since when and why it is silent."""
    if not _claim(server_id, now):
        return
    server = db.session.get_one(Server, server_id)
    # No transaction may stay open while a server keeps us waiting.
    db.session.commit()
    try:
        facts = look_again(server)
    except SiapPakaiError as error:
        log.info("server %s: %s", server.name, error)
        _note_silence(server_id, error, now)
        return
    with transaction() as session:
        keep_facts(session.get_one(Server, server_id), facts)


def _claim(server_id: int, now: datetime | None) -> bool:
    """Take a server for this look; another lookout finds it looked at."""
    with transaction() as session:
        at = now or registry_now(session)
        server = session.get(Server, server_id, with_for_update=True)
        if server is None or server.state is ServerState.FORGOTTEN or not _is_due(server, at):
            return False
        server.watched_at = at
        return True


def _is_due(server: Server, now: datetime) -> bool:
    seconds = current_settings().server_watch_seconds
    if server.silent_since is not None:
        seconds = min(seconds, _SILENT_SECONDS)
    return server.watched_at is None or now - server.watched_at >= timedelta(seconds=seconds)


def _note_silence(server_id: int, error: SiapPakaiError, now: datetime | None) -> None:
    with transaction() as session:
        server = session.get_one(Server, server_id)
        server.silent_since = server.silent_since or now or registry_now(session)
        server.silence = next(code for kind, code in _CAUSES if isinstance(error, kind))

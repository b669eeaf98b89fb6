"""How a machine becomes a server: its key confirmed and pinned, ours installed, looked at."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from sqlalchemy import select

from siappakai.domain.hostkeys import HostKey
from siappakai.domain.servers import (
    STANDARD,
    Arrangement,
    Shell,
    check_address,
    check_name,
    check_port,
    check_user,
)
from siappakai.domain.states import ServerState, SiteState
from siappakai.gateways.machine import LocalMachine
from siappakai.models import Server, Site, db, utc_now
from siappakai.models.app import current_settings
from siappakai.models.transactions import transaction
from siappakai.services import audit, keys
from siappakai.services.probing import look_at
from siappakai.services.servers import LOCAL, SSH, check_free, get_server
from siappakai.ssh import Login, changed_host_key, connect, fetch_host_key

_LOCAL_ADDRESS = "127.0.0.1"
_MOST_PARALLEL = 8


def inspect_host(address: str, port: int = 22) -> HostKey:
    """Return the host key a machine shows, for a person to confirm its `fingerprint`.

    Raises UnreachableError, InvalidInputError (field `address` or `port`).
    """
    checked = check_address(address), check_port(port, "port")
    return fetch_host_key(*checked, current_settings().ssh_timeout_seconds)


def enrol_server(
    *,
    name: str,
    address: str,
    port: int = 22,
    user: str,
    fingerprint: str,
    password: str | None = None,
    private_key: str | None = None,
    arrangement: Arrangement = STANDARD,
    by: str,
) -> Server:
    """Make the machine at `address` a server of the fleet.

    `fingerprint` is what inspect_host showed and a person confirmed. `password` or
    `private_key` opens the account once and is not kept; with neither, the panel's own public
    key must be there already. Nothing is changed, here or there, unless all checks pass.

    Raises the errors of `siappakai.ssh` and `siappakai.domain.servers`, InvalidInputError
    naming the field, ConflictError when name, prefix, root or port are taken.
    """
    server = _new_server(name, arrangement, address=check_address(address))
    server.connection, server.port, server.user = SSH, check_port(port, "port"), check_user(user)
    server.host_key = _confirmed_key(server, fingerprint).line
    ours = keys.private_key_text()
    given = password is not None or private_key is not None
    first = _login(server, password=password, private_key=private_key if given else ours)
    timeout = current_settings().ssh_timeout_seconds
    with connect(first, timeout) as connection:
        facts = _look(server, connection)
        connection.install_public_key(keys.public_key())
    with connect(_login(server, private_key=ours), timeout):
        # Proven from outside: from now on the panel's key opens the account.
        return _register(server, arrangement, facts, by=by)


def enrol_local_server(*, name: str, arrangement: Arrangement = STANDARD, by: str) -> Server:
    """Make the machine this program runs on a server; there is no SSH in between.

    Raises the errors of `siappakai.domain.servers`, InvalidInputError, ConflictError.
    """
    server = _new_server(name, arrangement, address=_LOCAL_ADDRESS)
    server.connection, server.port, server.user = LOCAL, 22, ""
    with open_shell(server) as shell:
        return _register(server, arrangement, _look(server, shell), by=by)


def probe_server(server_id: int, *, by: str) -> Server:
    """Look at a server again and keep what was seen.

    Raises as enrol_server does; the server keeps its old facts then.
    """
    facts = look_again(get_server(server_id))
    with transaction():
        server = get_server(server_id)
        keep_facts(server, facts)
        audit.record("server.probe", server.name, by=by)
        return server


def look_again(server: Server) -> dict[str, Any]:
    """Return what a server of the fleet is now, its sites' certificates included."""
    with open_shell(server) as shell:
        return look_at(
            shell,
            root=server.root,
            web_ports=(server.http_port, server.https_port),
            certificates=sorted({site.certificate for site in _certified(server)}),
            is_enrolled=True,
        )


def keep_facts(server: Server, facts: dict[str, Any]) -> None:
    """Note in the open transaction what a look at a server brought back: it answers."""
    server.facts = facts
    server.probed_at = server.watched_at = utc_now()
    server.silent_since, server.silence = None, ""
    for site in _certified(server):
        # One that is gone keeps the end that was seen last: its alert stays.
        if expiry := facts["certificates"].get(site.certificate):
            site.certificate_expires_at = datetime.fromisoformat(expiry)


def _certified(server: Server) -> list[Site]:
    query = select(Site).where(
        Site.server_id == server.id, Site.certificate != "", Site.state != SiteState.REMOVED
    )
    return list(db.session.scalars(query))


def pin_host_key(server_id: int, *, fingerprint: str, by: str) -> Server:
    """Pin the host key a server shows now, for one that was set up anew.

    `fingerprint` is what inspect_host showed and a person confirmed at the server itself.
    Raises HostKeyChangedError when the server shows yet another key.
    """
    key = _confirmed_key(get_server(server_id), fingerprint)
    with transaction():
        server = get_server(server_id)
        server.host_key = key.line
        audit.record("server.pin", server.name, by=by, detail={"fingerprint": key.fingerprint})
        return server


@contextmanager
def open_shell(server: Server) -> Iterator[Shell]:
    """Open a way to run commands on a server, by the panel's own key."""
    timeout = current_settings().ssh_timeout_seconds
    if server.connection == LOCAL:
        yield LocalMachine(timeout)
        return
    with connect(_login(server, private_key=keys.private_key_text()), timeout) as connection:
        yield connection


def _new_server(name: str, arrangement: Arrangement, *, address: str) -> Server:
    """Return a server that is not in the registry yet, refused early when it could not be."""
    server = Server(
        name=check_name(name),
        address=address,
        services=arrangement.services,
        prefix=arrangement.prefix,
        root=arrangement.root,
        http_address=arrangement.http_address,
        http_port=arrangement.http_port,
        https_port=arrangement.https_port,
    )
    arrangement.check()
    check_free(db.session(), server)
    return server


def _confirmed_key(server: Server, fingerprint: str) -> HostKey:
    key = inspect_host(server.address, server.port)
    if key.fingerprint != fingerprint.strip():
        raise changed_host_key(server.address, fingerprint.strip(), key.fingerprint)
    return key


def _login(server: Server, *, password: str | None = None, private_key: str | None = None) -> Login:
    pinned = HostKey.parse(server.host_key)
    return Login(server.address, server.port, server.user, pinned, password, private_key)


def _look(server: Server, shell: Shell) -> dict[str, Any]:
    return look_at(shell, root=server.root, web_ports=(server.http_port, server.https_port))


def _register(
    server: Server, arrangement: Arrangement, facts: dict[str, Any], *, by: str
) -> Server:
    with transaction() as session:
        check_free(session, server)
        server.facts, server.probed_at, server.state = facts, utc_now(), ServerState.ENROLLED
        server.php_versions = list(arrangement.php_versions or facts["suggested_php"])
        server.parallelism = arrangement.parallelism or min(facts["cpus"], _MOST_PARALLEL)
        session.add(server)
        detail = {"address": server.address, "port": server.port, "user": server.user}
        audit.record("server.enrol", server.name, by=by, detail=detail)
    return server

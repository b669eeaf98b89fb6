"""The servers of the registry: what is known of them, how to reach them, how they are laid out.

How a machine becomes a server is in `enrolment`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, cast

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from siappakai.domain.naming import ServerLayout, Services, server_layout
from siappakai.domain.servers import (
    Arrangement,
    check_address,
    check_http_address,
    check_name,
    check_parallelism,
    check_php_versions,
    check_port,
    check_user,
    known_hosts_line,
    machine_of,
)
from siappakai.domain.states import RunState, ServerState, SiteState
from siappakai.errors import ConflictError, InvalidInputError, NotFoundError, RefusedError
from siappakai.models import Backup, Release, Run, Server, Site, Target, db
from siappakai.models.transactions import transaction
from siappakai.services import audit, copies, runs
from siappakai.wording import say

LOCAL = "local"
SSH = "ssh"
_NAME_LENGTH = 60
_CHECKS: Final[dict[str, Callable[..., Any]]] = {
    "name": check_name,
    "address": check_address,
    "port": partial(check_port, field="port"),
    "user": check_user,
    "http_address": check_http_address,
    "http_port": partial(check_port, field="http_port"),
    "https_port": partial(check_port, field="https_port"),
    "php_versions": check_php_versions,
    "parallelism": check_parallelism,
}
_SSH_ONLY = frozenset({"address", "port", "user"})
# A change of these must reach the machine before the server is ready again.
_PREPARED_WITH = frozenset({"http_address", "http_port", "https_port", "php_versions"})


@dataclass(frozen=True, slots=True)
class Holding:
    """How many of a server's sites are in one state and serve one release ("" for none yet)."""

    state: SiteState
    release: str
    sites: int


def holdings_of(server_id: int) -> list[Holding]:
    """Return what lies on a server, the newest release first; removed sites left out."""
    query = (
        select(Site.state, func.coalesce(Release.version, ""), func.count())
        .outerjoin(Site.release)
        .where(Site.server_id == server_id, Site.state != SiteState.REMOVED)
        .group_by(Site.state, Release.version)
        .order_by(Release.version.desc(), Site.state)
    )
    return [Holding(*row) for row in db.session.execute(query)]


def list_servers(*, query: str = "") -> list[Server]:
    """Return the servers by name, those forgotten left out; `query` is in name or address."""
    found = select(Server).where(Server.state != ServerState.FORGOTTEN).order_by(Server.name)
    if query:
        columns = (Server.name, Server.address)
        found = found.where(or_(*(one.icontains(query, autoescape=True) for one in columns)))
    return list(db.session.scalars(found))


def get_server(server_id: int) -> Server:
    """Return a server; raises NotFoundError."""
    server = db.session.get(Server, server_id)
    if server is None or server.state is ServerState.FORGOTTEN:
        raise NotFoundError(
            say("Server nomor %(server_id)s tidak ada.", server_id=server_id),
            say("Pilih dari daftar server."),
        )
    return server


def find_server(name: str) -> Server | None:
    """Return the server called `name`, or None."""
    query = select(Server).where(Server.name == name, Server.state != ServerState.FORGOTTEN)
    return db.session.scalar(query)


def count_sites(server_id: int) -> int:
    """Return how many sites a server holds or is meant to hold."""
    query = select(func.count(Site.id)).where(
        Site.server_id == server_id, Site.state != SiteState.REMOVED
    )
    return db.session.scalar(query) or 0


def sites_by_server() -> dict[int, int]:
    """Return `count_sites` of every server that has any."""
    query = select(Site.server_id, func.count()).where(Site.state != SiteState.REMOVED)
    return dict(db.session.execute(query.group_by(Site.server_id)).all())


def update_server(
    server_id: int,
    *,
    by: str,
    name: str | None = None,
    address: str | None = None,
    port: int | None = None,
    user: str | None = None,
    http_address: str | None = None,
    http_port: int | None = None,
    https_port: int | None = None,
    php_versions: Sequence[str] | None = None,
    parallelism: int | None = None,
) -> Server:
    """Change what is given; the rest stays. Prefix, root and kind of services never change.

    A server whose ports or PHP versions changed is no longer prepared. Raises
    InvalidInputError naming the field, ConflictError, NotFoundError.
    """
    given = {
        "name": name,
        "address": address,
        "port": port,
        "user": user,
        "http_address": http_address,
        "http_port": http_port,
        "https_port": https_port,
        "php_versions": php_versions,
        "parallelism": parallelism,
    }
    wanted = {key: _CHECKS[key](value) for key, value in given.items() if value is not None}
    with transaction() as session:
        server = get_server(server_id)
        changes = {key: value for key, value in wanted.items() if value != getattr(server, key)}
        if not changes:
            return server
        if server.connection == LOCAL and changes.keys() & _SSH_ONLY:
            raise InvalidInputError(
                say("Server ini mesin panel sendiri, tanpa SSH."),
                say("Daftarkan mesin lain sebagai baru."),
            )
        for key, value in changes.items():
            setattr(server, key, value)
        arrangement_of(server).check()
        check_free(session, server)
        if changes.keys() & _PREPARED_WITH:
            server.state = ServerState.ENROLLED
        audit.record("server.update", server.name, by=by, detail=changes)
        return server


def forget_server(server_id: int, *, by: str) -> None:
    """Take a server off the fleet; its row stays for the history of its runs.

    Raises ConflictError while it holds sites or a run concerns it. The panel's key stays in
    the account's authorized_keys over there: the machine may be gone.
    """
    with transaction() as session:
        server = get_server(server_id)
        sites = count_sites(server_id)
        if sites:
            raise ConflictError(
                say(
                    "Server %(server)s masih memuat %(sites)s situs.",
                    server=server.name,
                    sites=sites,
                ),
                say("Hapus situsnya dahulu, atau tinggalkan server yang tidak akan kembali."),
            )
        if _has_open_runs(session, server_id):
            raise ConflictError(
                say(
                    "Server %(server)s sedang dikerjakan atau belum diperiksa ulang.",
                    server=server.name,
                ),
                say("Tunggu atau batalkan dahulu, atau tinggalkan server yang tidak akan kembali."),
            )
        audit.record("server.forget", server.name, by=by, detail={"address": server.address})
        retire(server)


def retire(server: Server) -> None:
    """Free a server's name and pinned key; its row stays for the history of its runs.

    What it could open with a key of its own is sealed for it no more, and what waited there to
    be carried to the stores is lost.
    """
    name = server.name
    suffix = f" #{server.id}"
    server.name = server.name[: _NAME_LENGTH - len(suffix)] + suffix
    server.state = ServerState.FORGOTTEN
    server.host_key = ""
    server.is_prover, server.proof_recipient = False, ""
    gone = RefusedError(
        say("Server %(server)s dilepas sebelum cadangan itu sampai ke penyimpanan.", server=name),
        say("Cadangkan situsnya di server yang baru."),
    )
    lying_there = select(Backup.id).where(Backup.server_id == server.id, Backup.is_spooled)
    for backup_id in db.session.scalars(lying_there).all():
        copies.lose_spooled(backup_id, gone)


def request_prepare(server_id: int, *, by: str, retry_of: int | None = None) -> Run:
    """Ask for a server to be prepared (or brought up to date); changes nothing when it is."""
    with transaction():
        return runs.create_server_run("server", get_server(server_id), by=by, retry_of=retry_of)


def arrangement_of(server: Server) -> Arrangement:
    """Return how a server is laid out on its machine."""
    return Arrangement(
        services=cast("Services", server.services),
        prefix=server.prefix,
        root=server.root,
        http_address=server.http_address,
        http_port=server.http_port,
        https_port=server.https_port,
        php_versions=tuple(server.php_versions),
        parallelism=server.parallelism,
    )


def layout_of(server: Server) -> ServerLayout:
    """Return where things lie on a server; raises InvalidInputError naming a bad field."""
    return server_layout(
        prefix=server.prefix,
        root=server.root,
        services=cast("Services", server.services),
        php_versions=tuple(server.php_versions),
        http_port=server.http_port,
        https_port=server.https_port,
        http_address=server.http_address,
    )


def connection_vars(server: Server) -> dict[str, Any]:
    """Return Ansible's connection variables for a server. They hold no secret."""
    if server.connection == LOCAL:
        return {"ansible_connection": "local"}
    return {
        "ansible_connection": "ssh",
        "ansible_host": server.address,
        "ansible_port": server.port,
        "ansible_user": server.user,
    }


def known_hosts_text(servers: Iterable[Server]) -> str:
    """Return a known_hosts file that pins the host keys of `servers`, and nothing else."""
    return "".join(
        known_hosts_line(server.address, server.port, server.host_key)
        for server in servers
        if server.connection == SSH
    )


def check_free(session: Session, server: Server) -> None:
    """Refuse a server that would get in another one's way; call it in the open transaction.

    Two servers on one machine need a prefix, a root folder and ports of their own, and only
    one of them can use the machine's own services. Raises ConflictError.
    """
    with session.no_autoflush:
        others = [other for other in list_servers() if other is not server]
    for other in others:
        if other.name == server.name:
            raise ConflictError(
                say("Nama server “%(server)s” sudah dipakai.", server=server.name),
                say("Pilih nama lain."),
            )
        if machine_of(other.address) == machine_of(server.address):
            _check_apart(server, other)


def _check_apart(server: Server, other: Server) -> None:
    same = say(
        "Mesin %(address)s sudah terdaftar sebagai server “%(other)s”",
        address=server.address,
        other=other.name,
    )
    if server.services == other.services == "system":
        raise ConflictError(
            say("%(same)s dan layanannya hanya dapat dipakai satu server.", same=same),
            say("Pakai layanan “private”."),
        )
    if server.prefix == other.prefix:
        raise ConflictError(
            say("%(same)s dengan awalan “%(prefix)s”.", same=same, prefix=server.prefix),
            say("Pilih awalan lain."),
        )
    if _is_within(server.root, other.root) or _is_within(other.root, server.root):
        raise ConflictError(
            say("%(same)s dengan folder %(root)s.", same=same, root=other.root),
            say("Pilih folder akar lain."),
        )
    ports = {server.http_port, server.https_port} & {other.http_port, other.https_port}
    if ports:
        listed = ", ".join(str(port) for port in sorted(ports))
        raise ConflictError(
            say("%(same)s dengan porta %(listed)s.", same=same, listed=listed),
            say("Pilih porta HTTP/HTTPS lain."),
        )


def _is_within(path: str, folder: str) -> bool:
    return f"{path}/".startswith(f"{folder}/")


def _has_open_runs(session: Session, server_id: int) -> bool:
    query = select(func.count(Target.id)).where(
        Target.server_id == server_id,
        Target.state.in_([RunState.QUEUED, RunState.RUNNING, RunState.LOST]),
    )
    return bool(session.scalar(query))

"""Servers: which there are, and a look at one."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, Field

from siappakai.domain.states import ServerState
from siappakai.domain.tokens import Scope
from siappakai.models import Server as ServerRow
from siappakai.services import enrolment, servers
from siappakai.web.api.operations import Query, operation
from siappakai.web.api.values import Listed, Number, Text
from siappakai.web.bearer import actor


class Server(BaseModel):
    """A machine that holds sites and databases."""

    id: int
    name: str
    connection: Annotated[str, Field(description="`ssh`, or `local` for the panel's own machine")]
    address: str
    port: int
    state: ServerState
    sites: Annotated[int, Field(description="how many it holds or is meant to hold")]
    php_versions: list[str]
    parallelism: Annotated[int, Field(description="sites worked on at once")]
    probed_at: datetime | None
    prepared_at: datetime | None
    silent_since: Annotated[datetime | None, Field(description="since when it does not answer")]


class ServerQuery(Query):
    """Which servers."""

    query: Annotated[Text, Field(description="part of a name or address")] = ""


@operation("GET", "/servers", Scope.SERVERS_READ)
def list_servers(query: ServerQuery) -> Listed[Server]:
    """List the servers by name."""
    return Listed[Server].whole(map(_record, servers.list_servers(query=query.query)))


@operation("GET", "/servers/<int(max=2147483647):server_id>", Scope.SERVERS_READ)
def show_server(server_id: Number) -> Server:
    """Show one server."""
    return _record(servers.get_server(server_id))


@operation("POST", "/servers/<int(max=2147483647):server_id>/check", Scope.SERVERS_CHECK)
def check_server(server_id: Number) -> Server:
    """Look at a server now and keep what was seen; answers when that is done."""
    return _record(enrolment.probe_server(server_id, by=actor()))


def _record(found: ServerRow) -> Server:
    return Server(
        id=found.id,
        name=found.name,
        connection=found.connection,
        address=found.address,
        port=found.port,
        state=found.state,
        sites=servers.count_sites(found.id),
        php_versions=list(found.php_versions),
        parallelism=found.parallelism,
        probed_at=found.probed_at,
        prepared_at=found.prepared_at,
        silent_since=found.silent_since,
    )

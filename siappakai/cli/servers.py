"""`siappakai server`: the servers of the fleet. How a machine becomes one is in enrolment."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

import click

from siappakai.cli.asking import agree, typed_count, yes_option
from siappakai.cli.command import Group
from siappakai.cli.context import actor
from siappakai.cli.following import RunRecord, follow_option, requested
from siappakai.cli.output import Column, Ended, Listing
from siappakai.domain.hostkeys import HostKey
from siappakai.errors import NotFoundError
from siappakai.models import Server
from siappakai.services import abandonment, servers


@dataclass(frozen=True, slots=True)
class ServerRecord:
    """A server of the fleet."""

    id: Annotated[int, Column("Nomor", "its number in the registry", is_listed=False)]
    name: Annotated[str, Column("Server", "its name")]
    connection: Annotated[str, Column("Sambungan", "`ssh` or `local`")]
    address: Annotated[str, Column("Alamat", "host name or IP address")]
    port: Annotated[int, Column("Porta", "SSH port")]
    user: Annotated[str, Column("Akun", "account on the server", is_listed=False)]
    state: Annotated[str, Column("Keadaan", "enrolled, ready or failed")]
    sites: Annotated[int, Column("Situs", "how many sites it holds or is meant to hold")]
    php_versions: Annotated[list[str], Column("PHP", "PHP versions it serves with")]
    parallelism: Annotated[int, Column("Serentak", "sites worked on at once")]


@dataclass(frozen=True, slots=True)
class ServerDetail:
    """A server, its arrangement and what the last probe saw. Sizes are bytes."""

    id: Annotated[int, Column("Nomor", "its number in the registry")]
    name: Annotated[str, Column("Server", "its name")]
    connection: Annotated[str, Column("Sambungan", "`ssh` or `local`")]
    address: Annotated[str, Column("Alamat", "host name or IP address")]
    port: Annotated[int, Column("Porta", "SSH port")]
    user: Annotated[str, Column("Akun", "account on the server")]
    fingerprint: Annotated[str, Column("Sidik jari", "of the pinned host key; empty if local")]
    state: Annotated[str, Column("Keadaan", "enrolled, ready or failed")]
    sites: Annotated[int, Column("Situs", "how many sites it holds or is meant to hold")]
    services: Annotated[str, Column("Layanan", "`system` or `private`")]
    prefix: Annotated[str, Column("Awalan", "of Unix users and databases")]
    root: Annotated[str, Column("Folder akar", "where releases and sites lie")]
    http_address: Annotated[str, Column("Alamat HTTP", "what nginx listens on; empty for all")]
    http_port: Annotated[int, Column("Porta HTTP", "HTTP port")]
    https_port: Annotated[int, Column("Porta HTTPS", "HTTPS port")]
    php_versions: Annotated[list[str], Column("PHP", "PHP versions it serves with")]
    parallelism: Annotated[int, Column("Serentak", "sites worked on at once")]
    warnings: Annotated[list[str], Column("Peringatan", "what the last probe warned of")]
    facts: Annotated[dict[str, Any], Column("Fakta", "what the last probe saw")]
    probed_at: Annotated[datetime | None, Column("Diperiksa", "when it was last probed")]
    prepared_at: Annotated[datetime | None, Column("Disiapkan", "when it was last prepared")]


@dataclass(frozen=True, slots=True)
class ForgottenServer:
    """The server that left the fleet."""

    name: Annotated[str, Column("Server", "its name until now")]


@dataclass(frozen=True, slots=True)
class AbandonedServer:
    """The server that was given up, and how many sites went with it."""

    name: Annotated[str, Column("Server", "its name until now")]
    sites: Annotated[int, Column("Situs", "how many sites it held")]


server = Group("server", help="Enrol, prepare and look after servers.")


@server.command("list", example="siappakai server list --json")
@click.option("--query", default="", help="Part of a name or address.")
def list_servers(query: str) -> Listing[ServerRecord]:
    """List the servers of the fleet."""
    return Listing.of(_record(one) for one in servers.list_servers(query=query))


@server.command("show", example="siappakai server show server1")
@click.argument("name")
def show_server(name: str) -> ServerDetail:
    """Show one server with what the last probe saw."""
    return detail(server_named(name))


@server.command(
    "update", changes=True, example="siappakai server update server1 --parallelism 4 --php 8.2"
)
@click.argument("name")
@click.option("--name", "new_name", help="Its new name.")
@click.option("--address", help="Host name or IP address.")
@click.option("--port", type=int, help="SSH port.")
@click.option("--user", help="Account on the server.")
@click.option("--http-address", help="What nginx listens on.")
@click.option("--http-port", type=int, help="HTTP port.")
@click.option("--https-port", type=int, help="HTTPS port.")
@click.option("--php", "php_versions", multiple=True, help="PHP version; may be repeated.")
@click.option("--parallelism", type=int, help="Sites worked on at once.")
def update_server(
    name: str, *, new_name: str | None, php_versions: tuple[str, ...], **changes: Any
) -> ServerDetail:
    """Change what is given; the rest stays."""
    changed = servers.update_server(
        server_named(name).id,
        name=new_name,
        php_versions=php_versions or None,
        by=actor(),
        **changes,
    )
    return detail(changed)


@server.command("prepare", changes=True, example="siappakai server prepare server1 --follow")
@click.argument("name")
@follow_option
def request_prepare(name: str, *, follow: bool) -> Ended[Listing[RunRecord]]:
    """Install and configure MariaDB, nginx and PHP-FPM on a server."""
    run = servers.request_prepare(server_named(name).id, by=actor())
    return requested([run], follow=follow)


@server.command("forget", changes=True, example="siappakai server forget server1 --yes")
@click.argument("name")
@yes_option
def forget_server(name: str, *, yes: bool) -> ForgottenServer:
    """Take a server without sites off the fleet; nothing is changed over there."""
    found = server_named(name)
    agree(f"Lupakan server {name}?", yes=yes)
    servers.forget_server(found.id, by=actor())
    return ForgottenServer(name)


@server.command("abandon", changes=True, example="siappakai server abandon server1 --count 12")
@click.argument("name")
@click.option("--count", type=int, help="How many sites it held; asked for otherwise.")
def abandon_server(name: str, *, count: int | None) -> AbandonedServer:
    """Take a machine that is gone for good off the fleet, with all sites it held."""
    found = server_named(name)
    held = servers.count_sites(found.id)
    question = f"Server {name} dan {held} situsnya ditinggalkan tanpa arsip. Ketik jumlah situsnya"
    counted = typed_count(question, count, held)
    lost = abandonment.abandon_server(found.id, confirmed_count=counted, by=actor())
    return AbandonedServer(name, lost)


def server_named(name: str) -> Server:
    """Return the server called `name`; raises NotFoundError."""
    found = servers.find_server(name)
    if found is None:
        raise NotFoundError(f"Server “{name}” tidak ada.", "Lihat: siappakai server list.")
    return found


def _record(found: Server) -> ServerRecord:
    return ServerRecord(
        id=found.id,
        name=found.name,
        connection=found.connection,
        address=found.address,
        port=found.port,
        user=found.user,
        state=found.state.value,
        sites=servers.count_sites(found.id),
        php_versions=list(found.php_versions),
        parallelism=found.parallelism,
    )


def detail(found: Server) -> ServerDetail:
    """Return a server as `server show` prints it."""
    return ServerDetail(
        id=found.id,
        name=found.name,
        connection=found.connection,
        address=found.address,
        port=found.port,
        user=found.user,
        fingerprint=HostKey.parse(found.host_key).fingerprint if found.host_key else "",
        state=found.state.value,
        sites=servers.count_sites(found.id),
        services=found.services,
        prefix=found.prefix,
        root=found.root,
        http_address=found.http_address,
        http_port=found.http_port,
        https_port=found.https_port,
        php_versions=list(found.php_versions),
        parallelism=found.parallelism,
        warnings=list(found.facts.get("warnings", [])),
        facts=dict(found.facts),
        probed_at=found.probed_at,
        prepared_at=found.prepared_at,
    )

"""`siappakai server inspect`, `enrol`, `enrol-local`, `probe`, `pin`, `key`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Annotated, Any, TextIO, TypeVar

import click

from siappakai.cli.asking import agree, is_interactive, password, password_stdin_option
from siappakai.cli.context import actor
from siappakai.cli.output import Column
from siappakai.cli.servers import ServerDetail, detail, server, server_named
from siappakai.domain.servers import STANDARD, Arrangement
from siappakai.errors import InvalidInputError
from siappakai.services import enrolment, keys

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class HostKeyRecord:
    """The host key a machine shows."""

    address: Annotated[str, Column("Alamat", "host name or IP address")]
    port: Annotated[int, Column("Porta", "SSH port")]
    type: Annotated[str, Column("Jenis", "ssh-ed25519 …")]
    fingerprint: Annotated[str, Column("Sidik jari", "SHA256:…, as ssh-keygen prints it")]


@dataclass(frozen=True, slots=True)
class PublicKey:
    """The panel's own SSH key."""

    public_key: Annotated[str, Column("Kunci publik", "line for authorized_keys")]


def arrangement_options(function: F) -> F:
    """Add what an Arrangement takes."""
    for option in reversed(
        (
            click.option("--services", type=click.Choice(["system", "private"]), help="Whose."),
            click.option("--prefix", help="Of Unix users and databases."),
            click.option("--root", help="Folder for releases and sites."),
            click.option("--http-address", help="What nginx listens on."),
            click.option("--http-port", type=int, help="HTTP port."),
            click.option("--https-port", type=int, help="HTTPS port."),
            click.option("--php", "php_versions", multiple=True, help="PHP version; repeatable."),
            click.option("--parallelism", type=int, help="Sites worked on at once."),
        )
    ):
        function = option(function)
    return function


@server.command("inspect", example="siappakai server inspect 192.0.2.10 --port 22")
@click.argument("address")
@click.option("--port", type=int, default=22, show_default=True, help="SSH port.")
def inspect_host(address: str, port: int) -> HostKeyRecord:
    """Show the host key of a machine, to compare with what the machine itself says."""
    key = enrolment.inspect_host(address, port)
    return HostKeyRecord(address, port, key.type, key.fingerprint)


@server.command(
    "enrol", example="siappakai server enrol server1 192.0.2.10 --user admin --password-stdin"
)
@click.argument("name")
@click.argument("address")
@click.option("--port", type=int, default=22, show_default=True, help="SSH port.")
@click.option("--user", required=True, help="Account that may become root by sudo, or root.")
@click.option("--fingerprint", help="Confirmed fingerprint; shown and asked for otherwise.")
@password_stdin_option
@click.option("--key-file", type=click.File("r"), help="Private key, used once.")
@click.option("--key-installed", is_flag=True, help="The panel's own key is there already.")
@arrangement_options
def enrol_server(
    name: str,
    address: str,
    *,
    port: int,
    user: str,
    fingerprint: str | None,
    password_stdin: bool,
    key_file: TextIO | None,
    key_installed: bool,
    **arrangement: Any,
) -> ServerDetail:
    """Make a machine a server of the fleet.

    Its host key is pinned, the panel's public key installed, the machine looked at. The
    password or key given opens the account once and is not kept.
    """
    confirmed = fingerprint or confirmed_fingerprint(address, port)
    is_asked = not (key_file or key_installed)
    question = f"Kata sandi {user}@{address}"
    found = enrolment.enrol_server(
        name=name,
        address=address,
        port=port,
        user=user,
        fingerprint=confirmed,
        password=password(question, from_stdin=password_stdin) if is_asked else None,
        private_key=key_file.read() if key_file else None,
        arrangement=_arrangement(arrangement),
        by=actor(),
    )
    return detail(found)


@server.command("enrol-local", example="siappakai server enrol-local server1 --services private")
@click.argument("name")
@arrangement_options
def enrol_local_server(name: str, **arrangement: Any) -> ServerDetail:
    """Make this very machine a server of the fleet."""
    found = enrolment.enrol_local_server(
        name=name, arrangement=_arrangement(arrangement), by=actor()
    )
    return detail(found)


@server.command("probe", example="siappakai server probe server1")
@click.argument("name")
def probe_server(name: str) -> ServerDetail:
    """Look at a server again: system, disk, MariaDB, PHP, clock, ports."""
    return detail(enrolment.probe_server(server_named(name).id, by=actor()))


@server.command("pin", example="siappakai server pin server1 --fingerprint SHA256:…")
@click.argument("name")
@click.option("--fingerprint", help="Confirmed fingerprint; shown and asked for otherwise.")
def pin_host_key(name: str, fingerprint: str | None) -> ServerDetail:
    """Pin the host key of a server that was set up anew."""
    found = server_named(name)
    confirmed = fingerprint or confirmed_fingerprint(found.address, found.port)
    return detail(enrolment.pin_host_key(found.id, fingerprint=confirmed, by=actor()))


@server.command("key", example="siappakai server key --json")
def show_key() -> PublicKey:
    """Show the panel's public key, to be put into an account by hand."""
    return PublicKey(keys.public_key())


def confirmed_fingerprint(address: str, port: int) -> str:
    """Show the host key of a machine and return its fingerprint once it is trusted.

    Raises InvalidInputError where nobody can be asked.
    """
    if not is_interactive():
        raise InvalidInputError(
            "Sidik jari kunci host belum disebutkan.",
            f"Lihat: siappakai server inspect {address}; lalu beri --fingerprint.",
            field="fingerprint",
        )
    key = enrolment.inspect_host(address, port)
    agree(f"{address} menunjukkan {key.type} {key.fingerprint}. Percaya?", yes=False)
    return key.fingerprint


def _arrangement(given: dict[str, Any]) -> Arrangement:
    return replace(STANDARD, **{key: value for key, value in given.items() if value})

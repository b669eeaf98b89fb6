"""Servers in the registry; enrolling them is tested against real machines."""

from __future__ import annotations

import stat
from typing import Any

import pytest
from sqlalchemy import select

from siappakai.domain.states import RunState, ServerState, SiteState
from siappakai.errors import ConflictError, InvalidInputError, NotFoundError
from siappakai.models import AuditEntry, Setting, db
from siappakai.models.app import current_settings
from siappakai.services import keys, servers
from siappakai.ssh import load_private_key
from tests.databases import every_database
from tests.factories import BY, make_run, make_server, make_site

pytestmark = [every_database, pytest.mark.usefixtures("registry")]


def test_ansible_reaches_a_server_with_its_pinned_key() -> None:
    server = make_server(address="10.0.0.9", port=2222, user="siap", host_key="ssh-ed25519 AAAA")
    assert servers.connection_vars(server) == {
        "ansible_connection": "ssh",
        "ansible_host": "10.0.0.9",
        "ansible_port": 2222,
        "ansible_user": "siap",
    }
    assert servers.known_hosts_text([server]) == "[10.0.0.9]:2222 ssh-ed25519 AAAA\n"


def test_a_change_of_ports_or_php_asks_for_preparing_again() -> None:
    server = make_server()
    servers.update_server(server.id, by=BY, name="Baru", parallelism=4)
    assert server.state is ServerState.READY
    servers.update_server(server.id, by=BY, php_versions=["8.2", "8.3"])
    assert server.state is ServerState.ENROLLED
    assert [php.version for php in servers.layout_of(server).php] == ["8.2", "8.3"]
    details = db.session.scalars(select(AuditEntry.detail).order_by(AuditEntry.id)).all()
    assert details == [{"name": "Baru", "parallelism": 4}, {"php_versions": ["8.2", "8.3"]}]


def test_a_bad_change_changes_nothing() -> None:
    make_server("Satu")
    server = make_server("Dua")
    with pytest.raises(ConflictError, match="sudah dipakai"):
        servers.update_server(server.id, by=BY, name="Satu", parallelism=4)
    with pytest.raises(InvalidInputError, match="untuk php"):
        servers.update_server(server.id, by=BY, parallelism=4, php_versions=["8.x"])
    db.session.expire_all()
    assert (server.name, server.parallelism) == ("Dua", 2)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": ""}, "name"),
        ({"port": 0}, "port"),
        ({"http_port": 443}, "https_port"),
        ({"php_versions": []}, "php"),
        ({"parallelism": 0}, "parallelism"),
        ({"address": "-oProxyCommand=x"}, "address"),
    ],
)
def test_a_bad_value_names_its_field(change: dict[str, Any], field: str) -> None:
    server = make_server()
    with pytest.raises(InvalidInputError) as caught:
        servers.update_server(server.id, by=BY, **change)
    assert caught.value.field == field


def test_the_panels_own_machine_gets_no_ssh_address() -> None:
    server = make_server(connection="local", address="127.0.0.1")
    with pytest.raises(InvalidInputError, match="tanpa SSH"):
        servers.update_server(server.id, by=BY, address="10.0.0.1")
    assert servers.update_server(server.id, by=BY, parallelism=5).parallelism == 5


def test_a_server_with_sites_or_work_is_not_forgotten() -> None:
    server = make_server()
    site = make_site(server=server)
    with pytest.raises(ConflictError, match="1 situs"):
        servers.forget_server(server.id, by=BY)
    site.state = SiteState.REMOVED
    db.session.commit()
    run = make_run("health", [server], state=RunState.LOST)
    with pytest.raises(ConflictError, match="belum diperiksa ulang"):
        servers.forget_server(server.id, by=BY)
    run.targets[0].state = RunState.FAILED
    db.session.commit()
    servers.forget_server(server.id, by=BY)
    assert servers.list_servers() == []


def test_a_forgotten_server_frees_its_name_and_place() -> None:
    old = make_server("Server ini", address="127.0.0.1", prefix="dm", root="/srv/demo")
    servers.forget_server(old.id, by=BY)
    with pytest.raises(NotFoundError, match="tidak ada"):
        servers.get_server(old.id)
    assert servers.find_server("Server ini") is None
    new = make_server("Server ini", address="127.0.0.1", prefix="dm", root="/srv/demo")
    servers.update_server(new.id, by=BY, parallelism=3)
    assert servers.find_server("Server ini") is new


def test_the_panels_key_is_made_once_and_its_private_half_is_sealed() -> None:
    public = keys.public_key()
    assert public == keys.public_key()
    private = keys.private_key_text()
    assert load_private_key(private).get_base64() == public.split()[1]
    stored = db.session.get_one(Setting, "ssh_key").value
    assert private.splitlines()[1] not in repr(stored)
    mode = current_settings().credentials_file.stat().st_mode
    assert stat.S_IMODE(mode) == 0o600

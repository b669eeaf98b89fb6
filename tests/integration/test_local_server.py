"""The machine of the tests as a server, looked at without SSH."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import select

from siappakai.domain.servers import Arrangement
from siappakai.errors import ConflictError, InvalidInputError, UnreachableError
from siappakai.gateways.machine import LocalMachine
from siappakai.models import AuditEntry, db
from siappakai.services import enrolment, servers
from tests.factories import BY, make_server

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("registry")]

DEMO = Arrangement(
    services="private", prefix="dm", root="/srv/demo", http_port=8081, https_port=8444
)


def test_this_machine_becomes_a_server_without_ssh() -> None:
    server = enrolment.enrol_local_server(name="Server ini", arrangement=DEMO, by=BY)
    assert servers.connection_vars(server) == {"ansible_connection": "local"}
    assert servers.known_hosts_text([server]) == ""
    assert server.facts["cpus"] >= 1
    assert server.facts["skew_seconds"] == 0
    assert servers.layout_of(server).http_port == 8081
    assert enrolment.probe_server(server.id, by=BY).probed_at is not None
    actions = db.session.scalars(select(AuditEntry.action)).all()
    assert actions == ["server.enrol", "server.probe"]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, "awalan “dm”"),
        ({"prefix": "dn"}, "folder /srv/demo"),
        ({"prefix": "dn", "root": "/srv/demo/inside"}, "folder /srv/demo"),
        ({"prefix": "dn", "root": "/srv/demo2"}, "porta 8081, 8444"),
        ({"prefix": "dn", "root": "/srv/demo2", "http_port": 8444, "https_port": 9}, "porta 8444"),
    ],
)
def test_two_servers_on_one_machine_must_not_meet(changes: dict[str, object], reason: str) -> None:
    enrolment.enrol_local_server(name="Server ini", arrangement=DEMO, by=BY)
    with pytest.raises(ConflictError, match=reason):
        enrolment.enrol_local_server(name="Satu lagi", arrangement=replace(DEMO, **changes), by=BY)
    assert len(servers.list_servers()) == 1


def test_only_one_server_uses_the_machines_own_services() -> None:
    make_server(address="localhost")
    with pytest.raises(ConflictError, match="hanya dapat dipakai satu server"):
        enrolment.enrol_local_server(name="Server ini", by=BY)
    assert enrolment.enrol_local_server(name="Server ini", arrangement=DEMO, by=BY).id


def test_a_taken_name_and_a_bad_field_are_told() -> None:
    make_server("Server ini")
    with pytest.raises(ConflictError, match="sudah dipakai"):
        enrolment.enrol_local_server(name="Server ini", arrangement=DEMO, by=BY)
    with pytest.raises(InvalidInputError) as caught:
        enrolment.enrol_local_server(name="Lain", arrangement=replace(DEMO, root="srv"), by=BY)
    assert caught.value.field == "root"


def test_a_command_right_here_ends_as_it_does_over_ssh() -> None:
    machine = LocalMachine(timeout=1.0)
    assert machine.run(["cat"], stdin="given").output == "given"
    assert machine.run(["sh", "-c", "echo oops >&2; exit 3"]).code == 3
    assert machine.run(["no-such-program"]).code == 127
    with pytest.raises(UnreachableError, match="batas waktu"):
        machine.run(["sleep", "2"])

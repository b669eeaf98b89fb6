"""Enrolling a bare Debian machine over real SSH, and each thing that stops it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import select

from siappakai.domain.servers import (
    Arrangement,
    DiskTooSmallError,
    MissingSudoError,
    PythonMissingError,
    UnsupportedSystemError,
)
from siappakai.domain.states import ServerState
from siappakai.errors import ConflictError, UnreachableError
from siappakai.models import Server, db
from siappakai.models.app import current_settings
from siappakai.services import enrolment, keys, servers
from siappakai.ssh import HostKeyChangedError, KeyRefusedError, WrongPasswordError
from tests.hosts import DebianHost, debian_host

pytestmark = [pytest.mark.integration, pytest.mark.hosts]

BY = "penguji"


@pytest.fixture(scope="module")
def host() -> Iterator[DebianHost]:
    with debian_host("enrol") as running:
        yield running


@pytest.fixture(autouse=True)
def quick_registry(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Flask:
    monkeypatch.setenv("SIAPPAKAI_SSH_TIMEOUT_SECONDS", "5")
    app: Flask = request.getfixturevalue("registry")
    return app


@pytest.fixture
def authorized(host: DebianHost) -> Iterator[Path]:
    """The account's authorized_keys, put back as it was."""
    file = host.root / "home" / host.user / ".ssh/authorized_keys"
    before = file.read_text()
    yield file
    file.write_text(before)


def enrol(host: DebianHost, **changes: object) -> Server:
    arguments = {
        "name": "Server uji",
        "address": host.address,
        "user": host.user,
        "fingerprint": enrolment.inspect_host(host.address).fingerprint,
        "password": host.password,
        "by": BY,
    }
    return enrolment.enrol_server(**(arguments | changes))


def everything_stored() -> str:
    tables = db.metadata.sorted_tables
    return repr([db.session.execute(select(table)).all() for table in tables])


@contextmanager
def moved(path: Path) -> Iterator[None]:
    aside = path.with_name(f"{path.name}.aside")
    path.rename(aside)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        aside.rename(path)


def test_a_machine_is_enrolled_by_a_password_used_once(host: DebianHost, authorized: Path) -> None:
    server = enrol(host)
    assert server.state is ServerState.ENROLLED
    assert server.facts["system_name"].startswith("Debian GNU/Linux 12")
    assert server.facts["cpus"] >= 1
    assert server.facts["disk_free_bytes"] > 0
    assert server.facts["mariadb"] == ""
    assert not server.facts["mariadb_running"]
    assert server.php_versions == ["8.2"]
    assert (22, "sshd") in {(x["port"], x["process"]) for x in server.facts["listeners"]}
    assert server.facts["warnings"] == []
    assert authorized.read_text().splitlines()[-1] == keys.public_key()
    assert host.known_hosts.read_text().split()[1:3] == server.host_key.split()
    # Our key works from now on, and alone.
    assert enrolment.probe_server(server.id, by=BY).probed_at is not None
    stored = everything_stored()
    assert keys.public_key() in stored
    assert host.password not in stored
    assert keys.private_key_text().splitlines()[1] not in stored
    assert host.password not in repr([path.read_bytes() for path in _state_files()])


def _state_files() -> list[Path]:
    return [path for path in current_settings().state.rglob("*") if path.is_file()]


def test_a_private_key_used_once_opens_it_too(host: DebianHost, authorized: Path) -> None:
    server = enrol(host, password=None, private_key=host.key.read_text())
    assert enrolment.probe_server(server.id, by=BY).facts["system"] == "debian"
    assert host.key.read_text().splitlines()[1] not in everything_stored()


def test_the_panels_own_key_is_enough_when_it_is_there_already(
    host: DebianHost, authorized: Path
) -> None:
    with pytest.raises(KeyRefusedError):
        enrol(host, password=None)
    with authorized.open("a") as file:
        file.write(f"{keys.public_key()}\n")
    assert enrol(host, password=None).id


def test_a_wrong_password_and_another_fingerprint_change_nothing(
    host: DebianHost, authorized: Path
) -> None:
    before = authorized.read_text()
    with pytest.raises(WrongPasswordError):
        enrol(host, password="salah")
    with pytest.raises(HostKeyChangedError):
        enrol(host, fingerprint="SHA256:bukan")
    assert authorized.read_text() == before
    assert servers.list_servers() == []


def test_a_machine_that_cannot_serve_is_refused_with_its_reason(
    host: DebianHost, authorized: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = authorized.read_text()
    with moved(host.root / "usr/bin/sudo"), pytest.raises(MissingSudoError):
        enrol(host)
    with moved(host.root / "etc/sudoers.d" / host.user), pytest.raises(MissingSudoError):
        enrol(host)
    with moved(host.root / "usr/bin/python3"), pytest.raises(PythonMissingError):
        enrol(host)
    with moved(host.root / "etc/os-release"):
        (host.root / "etc/os-release").write_text('ID=alpine\nPRETTY_NAME="Alpine Linux"\n')
        with pytest.raises(UnsupportedSystemError, match="Alpine Linux"):
            enrol(host)
    assert authorized.read_text() == before
    assert servers.list_servers() == []


def test_too_little_disk_is_refused(host: DebianHost, authorized: Path, registry: Flask) -> None:
    settings = current_settings().model_copy(update={"server_min_free_bytes": 2**62})
    registry.extensions["siappakai.settings"] = settings
    with pytest.raises(DiskTooSmallError, match="GiB"):
        enrol(host)


def test_a_changed_host_key_stops_the_panel_until_it_is_pinned_anew(
    host: DebianHost, authorized: Path
) -> None:
    server = enrol(host)
    for key in (host.root / "etc/ssh").glob("ssh_host_*"):
        key.unlink()
    host.run("ssh-keygen", "-A")
    host.kill_all()
    host.boot()
    with pytest.raises(HostKeyChangedError, match="tersemat SHA256"):
        enrolment.probe_server(server.id, by=BY)
    shown = enrolment.inspect_host(host.address).fingerprint
    enrolment.pin_host_key(server.id, fingerprint=shown, by=BY)
    assert enrolment.probe_server(server.id, by=BY).facts["system"] == "debian"


def test_a_cut_link_is_unreachable_and_keeps_the_old_facts(
    host: DebianHost, authorized: Path
) -> None:
    server = enrol(host)
    seen = server.probed_at
    host.cut()
    try:
        with pytest.raises(UnreachableError):
            enrolment.probe_server(server.id, by=BY)
    finally:
        host.restore()
    assert servers.get_server(server.id).probed_at == seen
    assert enrolment.probe_server(server.id, by=BY).probed_at > seen


def test_one_machine_is_not_enrolled_twice_in_the_same_place(
    host: DebianHost, authorized: Path
) -> None:
    enrol(host)
    with pytest.raises(ConflictError, match="layanannya"):
        enrol(host, name="Lagi")
    own = Arrangement(
        services="private", prefix="dm", root="/srv/demo", http_port=8081, https_port=8444
    )
    assert enrol(host, name="Lagi", arrangement=own).prefix == "dm"

"""SSH against a real sshd: each way it can go wrong has its own error."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from siappakai import ssh
from siappakai.domain.servers import MissingSudoError
from siappakai.errors import InvalidInputError, RefusedError, UnreachableError
from siappakai.services.probing import look_at
from tests.sshd import Sshd, free_port, make_key, private_sshd, temporary_account

pytestmark = pytest.mark.integration

TIMEOUT = 5.0


@pytest.fixture(scope="module")
def account() -> Iterator[tuple[str, str, Path]]:
    with temporary_account() as found:
        yield found


@pytest.fixture(scope="module")
def sshd(account: tuple[str, str, Path]) -> Iterator[Sshd]:
    with private_sshd(account) as running:
        yield running


@pytest.fixture
def login(sshd: Sshd) -> ssh.Login:
    host_key = ssh.HostKey.parse(sshd.host_key.with_suffix(".pub").read_text())
    return ssh.Login("127.0.0.1", sshd.port, sshd.user, host_key, password=sshd.password)


def attempt(login: ssh.Login, timeout: float = TIMEOUT) -> str:
    with ssh.connect(login, timeout) as connection:
        return connection.run(["id", "-un"]).output.strip()


def test_the_fingerprint_is_the_one_ssh_keygen_prints(sshd: Sshd, tmp_path: Path) -> None:
    key = ssh.fetch_host_key("127.0.0.1", sshd.port, TIMEOUT)
    assert key.line == " ".join(sshd.host_key.with_suffix(".pub").read_text().split()[:2])
    printed = make_key(tmp_path / "other")
    other = ssh.HostKey.parse((tmp_path / "other.pub").read_text())
    assert other.fingerprint == printed != key.fingerprint


def test_a_password_opens_the_account(login: ssh.Login) -> None:
    assert attempt(login) == login.user


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
def test_a_private_key_opens_the_account(
    kind: str, login: ssh.Login, sshd: Sshd, tmp_path: Path
) -> None:
    make_key(tmp_path / "key", kind)
    with ssh.connect(login, TIMEOUT) as connection:
        assert connection.install_public_key((tmp_path / "key.pub").read_text().strip())
    text = (tmp_path / "key").read_text()
    assert attempt(replace(login, password=None, private_key=text)) == sshd.user


def test_arguments_reach_the_command_as_they_are(login: ssh.Login) -> None:
    hostile = ["$(id)", "; echo no", "a'b\"c", "`id`", "*"]
    with ssh.connect(login, TIMEOUT) as connection:
        answer = connection.run(["printf", "%s\\n", *hostile])
        assert answer.output.splitlines() == hostile
        assert connection.run(["sh", "-c", "echo oops >&2; exit 3"]).code == 3
        assert connection.run(["cat"], stdin="given").output == "given"


def test_a_wrong_password_is_told_as_such(login: ssh.Login) -> None:
    with pytest.raises(ssh.WrongPasswordError, match="Kata sandi salah") as caught:
        attempt(replace(login, password="not it"))
    assert caught.value.field == "password"
    assert "not it" not in str(caught.value)


def test_a_server_without_password_login_is_told_as_such(
    account: tuple[str, str, Path], login: ssh.Login
) -> None:
    with private_sshd(account, passwords=False) as closed:
        key = ssh.fetch_host_key("127.0.0.1", closed.port, TIMEOUT)
        with pytest.raises(ssh.PasswordLoginOffError, match="tidak menerima kata sandi"):
            attempt(replace(login, port=closed.port, host_key=key))


def test_a_refused_key_is_told_as_such(login: ssh.Login, tmp_path: Path) -> None:
    make_key(tmp_path / "stranger")
    text = (tmp_path / "stranger").read_text()
    with pytest.raises(ssh.KeyRefusedError, match="Kunci SSH ditolak"):
        attempt(replace(login, password=None, private_key=text))


@pytest.mark.parametrize("kind", ["ed25519", "rsa"])
def test_a_changed_host_key_stops_everything(kind: str, login: ssh.Login, tmp_path: Path) -> None:
    pinned = make_key(tmp_path / "pinned", kind)
    other = ssh.HostKey.parse((tmp_path / "pinned.pub").read_text())
    with pytest.raises(ssh.HostKeyChangedError) as caught:
        attempt(replace(login, host_key=other))
    assert pinned in str(caught.value)
    assert login.host_key.fingerprint in str(caught.value)


def test_a_closed_port_is_unreachable(login: ssh.Login) -> None:
    with pytest.raises(UnreachableError, match="tidak terjangkau") as caught:
        attempt(replace(login, port=free_port()))
    assert type(caught.value) is UnreachableError


def test_an_unknown_name_is_unreachable() -> None:
    with pytest.raises(UnreachableError, match="tidak terjangkau"):
        ssh.fetch_host_key("no-such-host.invalid", 22, TIMEOUT)


def test_a_silent_port_runs_into_the_time_limit(login: ssh.Login) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        port = silent.getsockname()[1]
        with pytest.raises(UnreachableError):
            attempt(replace(login, port=port), timeout=0.5)


def test_a_command_that_takes_too_long_runs_into_the_time_limit(login: ssh.Login) -> None:
    with (
        ssh.connect(login, 1.0) as connection,
        pytest.raises(ssh.ServerTimeoutError, match="batas waktu"),
    ):
        connection.run(["sleep", "2"])


def test_installing_the_key_twice_leaves_one_line_and_tight_modes(
    login: ssh.Login, sshd: Sshd
) -> None:
    private, public = ssh.generate_key("siappakai")
    authorized = sshd.home / ".ssh/authorized_keys"
    authorized.parent.mkdir(exist_ok=True)
    authorized.write_text("# kept, without an end of line")
    owner = sshd.home.stat()
    for path in (authorized, authorized.parent):
        path.chmod(0o777)
        os.chown(path, owner.st_uid, owner.st_gid)
    with ssh.connect(login, TIMEOUT) as connection:
        assert connection.install_public_key(public)
        assert not connection.install_public_key(public)
    assert authorized.read_text().splitlines() == ["# kept, without an end of line", public]
    assert stat.S_IMODE(authorized.stat().st_mode) == 0o600
    assert stat.S_IMODE(authorized.parent.stat().st_mode) == 0o700
    assert attempt(replace(login, password=None, private_key=private)) == sshd.user


def test_an_authorized_keys_file_that_may_not_be_changed_is_told(
    login: ssh.Login, sshd: Sshd
) -> None:
    folder = sshd.home / ".ssh"
    folder.mkdir(exist_ok=True)
    os.chown(folder, 0, 0)
    try:
        with (
            ssh.connect(login, TIMEOUT) as connection,
            pytest.raises(RefusedError, match="menolak mengubah"),
        ):
            connection.install_public_key(ssh.generate_key("siappakai")[1])
    finally:
        owner = sshd.home.stat()
        os.chown(folder, owner.st_uid, owner.st_gid)


def test_a_text_that_is_no_key_is_refused_by_field(login: ssh.Login) -> None:
    with pytest.raises(InvalidInputError, match="bukan kunci privat") as caught:
        attempt(replace(login, password=None, private_key="-----BEGIN NONSENSE-----"))
    assert caught.value.field == "private_key"


@pytest.mark.usefixtures("registry")
def test_an_account_without_sudo_is_told_as_such(login: ssh.Login) -> None:
    with (
        ssh.connect(login, TIMEOUT) as connection,
        pytest.raises(MissingSudoError, match="sudo tanpa kata sandi"),
    ):
        look_at(connection, root="/srv/siappakai", web_ports=(80, 443))

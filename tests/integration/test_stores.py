"""Stores of backups: a folder over SFTP, a bucket over S3. Real servers, broken transfers."""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace

import boto3
import pytest
from moto.server import ThreadedMotoServer

from siappakai.domain.hostkeys import HostKey
from siappakai.domain.stores import S3Place, Vault
from siappakai.errors import NotFoundError, RefusedError, UnreachableError
from siappakai.gateways.s3 import PART_BYTES, open_bucket
from siappakai.ssh import Login, connect, generate_key
from siappakai.ssh.sftp import open_folder
from tests.sshd import Sshd, private_sshd, temporary_account

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(os.geteuid() != 0, reason="makes an account for its sshd"),
]
Open = Callable[[], AbstractContextManager[Vault]]
NAME = "opensid-5102012001/opensid-5102012001-1.age"
CONTENT = os.urandom(2 * PART_BYTES + 12345)


@contextmanager
def _open(sshd: Sshd) -> Iterator[Vault]:
    host_key = HostKey.parse(sshd.host_key.with_suffix(".pub").read_text())
    private, public = generate_key("uji")
    login = Login("127.0.0.1", sshd.port, sshd.user, host_key, password=sshd.password)
    with connect(login, 10) as connection:
        connection.install_public_key(public)
    login = replace(login, password=None, private_key=private)
    with connect(login, 10) as connection, open_folder(connection, "cadangan/a") as vault:
        yield vault


@contextmanager
def _sftp() -> Iterator[Open]:
    with temporary_account() as account, private_sshd(account) as sshd:
        yield lambda: _open(sshd)


def _bucket(port: int, bucket: str = "cadangan") -> AbstractContextManager[Vault]:
    place = S3Place(f"http://127.0.0.1:{port}", bucket, "", "siappakai", "kunci")
    return open_bucket(place.checked(), "rahasia", 10)


@contextmanager
def _server() -> Iterator[int]:
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    try:
        yield server.get_host_and_port()[1]
    finally:
        server.stop()


@contextmanager
def _s3() -> Iterator[Open]:
    with _server() as port:
        boto3.client(
            "s3",
            endpoint_url=f"http://127.0.0.1:{port}",
            region_name="us-east-1",
            aws_access_key_id="kunci",
            aws_secret_access_key="rahasia",
        ).create_bucket(Bucket="cadangan")
        yield lambda: _bucket(port)


@pytest.fixture(scope="module", params=["sftp", "s3"])
def store(request: pytest.FixtureRequest) -> Iterator[Open]:
    with {"sftp": _sftp, "s3": _s3}[request.param]() as opened:
        yield opened


def test_what_goes_in_comes_out(store: Open) -> None:
    with store() as vault:
        upload = vault.upload(NAME, len(CONTENT))
        assert upload.offset == 0
        for start in range(0, len(CONTENT), 1 << 20):
            upload.write(CONTENT[start : start + (1 << 20)])
        with pytest.raises(NotFoundError):
            next(iter(vault.read(NAME)))
        upload.finish()
    with store() as vault:
        assert b"".join(vault.read(NAME)) == CONTENT
        vault.delete(NAME)
        vault.delete(NAME)
        with pytest.raises(NotFoundError):
            next(iter(vault.read(NAME)))


def test_a_broken_transfer_goes_on_where_it_ended(store: Open) -> None:
    name = f"{NAME}-broken"
    with store() as vault:
        vault.upload(name, len(CONTENT)).write(CONTENT[: PART_BYTES + 1000])
    with store() as vault:
        upload = vault.upload(name, len(CONTENT))
        assert upload.offset > PART_BYTES // 2, "what had arrived was kept"
        upload.write(CONTENT[upload.offset :])
        upload.finish()
        assert b"".join(vault.read(name)) == CONTENT


def test_a_store_that_is_down_or_refuses_says_so() -> None:
    with _bucket(1) as vault, pytest.raises(UnreachableError):
        vault.upload(NAME, 1)
    with _server() as port, _bucket(port, "tidak-ada") as vault, pytest.raises(RefusedError):
        vault.upload(NAME, 1)


def test_a_folder_that_forbids_deletion_says_so() -> None:
    with temporary_account() as account, private_sshd(account) as sshd, _open(sshd) as vault:
        vault.upload("a/b", 1).finish()
        folder = sshd.home / "cadangan/a/a"
        os.chown(folder, 0, 0)
        with pytest.raises(RefusedError, match="tidak mengizinkan penghapusan"):
            vault.delete("a/b")

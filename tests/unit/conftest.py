"""Unit tests are cut off from the network; unix sockets stay, the databases listen there."""

from collections.abc import Iterator

import pytest
from argon2 import PasswordHasher
from pytest_socket import disable_socket, enable_socket

from siappakai.services import accounts, site_secrets


@pytest.fixture(autouse=True)
def no_network() -> Iterator[None]:
    disable_socket(allow_unix_socket=True)
    yield
    enable_socket()


@pytest.fixture(autouse=True)
def quick_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hashing takes its time on purpose; what is hashed here protects nothing."""
    monkeypatch.setattr(
        accounts, "_hasher", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    )
    monkeypatch.setattr(site_secrets, "_HASH_ROUNDS", 4)

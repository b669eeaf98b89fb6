"""A backup is opened with the recovery key on the panel's machine, or says why not."""

import os
import subprocess
from collections.abc import Iterator

import pytest

from siappakai.credentials import new_age_pair
from siappakai.errors import RefusedError, UnreachableError
from siappakai.gateways.unsealing import unsealed

pytestmark = pytest.mark.integration

PLAIN = os.urandom(3 << 20)
KEY, RECIPIENT = new_age_pair()


@pytest.fixture(scope="module")
def sealed() -> bytes:
    packed = subprocess.run(["zstd", "-q", "-c"], input=PLAIN, capture_output=True, check=True)
    lock = ["age", "--encrypt", f"--recipient={RECIPIENT}"]
    return subprocess.run(lock, input=packed.stdout, capture_output=True, check=True).stdout


def pieces(content: bytes) -> Iterator[bytes]:
    for start in range(0, len(content), 100_000):
        yield content[start : start + 100_000]


def test_the_key_opens_it(sealed: bytes) -> None:
    with unsealed(pieces(sealed), KEY) as plain:
        assert plain.read() == PLAIN
    with unsealed(pieces(sealed), KEY) as plain:
        assert plain.read(10) == PLAIN[:10]  # what is left is read and judged all the same


def test_another_key_does_not(sealed: bytes) -> None:
    with (
        pytest.raises(RefusedError, match="tidak membuka"),
        unsealed(pieces(sealed), new_age_pair()[0]) as plain,
    ):
        plain.read()


@pytest.mark.parametrize("damage", ["byte", "tail"])
def test_damage_is_told_though_the_reader_broke_off_first(sealed: bytes, damage: str) -> None:
    middle = len(sealed) // 2
    flipped = sealed[:middle] + bytes([sealed[middle] ^ 1]) + sealed[middle + 1 :]
    content = {"byte": flipped, "tail": sealed[:-100]}[damage]
    with pytest.raises(RefusedError, match="rusak"):
        _read_and_break(pieces(content), ValueError("the archive has no end"))


def test_a_store_that_breaks_off_is_what_is_told(sealed: bytes) -> None:
    def broken() -> Iterator[bytes]:
        yield sealed[:1000]
        raise UnreachableError("putus", "coba lagi")

    with pytest.raises(UnreachableError, match="putus"):
        _read_and_break(broken(), ValueError("the archive has no end"))


def test_a_reader_that_gives_up_ends_it(sealed: bytes) -> None:
    with pytest.raises(KeyError):
        _read_and_break(pieces(sealed), KeyError("enough"))


def _read_and_break(source: Iterator[bytes], problem: Exception) -> None:
    with unsealed(source, KEY) as plain:
        while plain.read(1 << 16):
            continue
        raise problem

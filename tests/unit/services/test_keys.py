"""The key ring is made once, with the installation, and never behind anyone's back."""

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from siappakai.credentials import create_key_ring, load_key_ring
from siappakai.errors import RefusedError, SiapPakaiError
from siappakai.models.app import current_settings
from siappakai.services import keys, totp
from tests.factories import make_site, make_user


def test_a_missing_key_ring_is_an_error_and_stays_missing(tmp_path: Path) -> None:
    path = tmp_path / "credentials.key"
    with pytest.raises(SiapPakaiError, match="tidak ada") as caught:
        load_key_ring(path)
    assert "cadangan" in caught.value.todo
    assert not path.exists()


def test_those_who_make_a_key_ring_at_once_share_one(tmp_path: Path) -> None:
    path = tmp_path / "credentials.key"
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(create_key_ring, [path] * 8))
    sealed = load_key_ring(path).seal("rahasia")
    create_key_ring(path)
    assert load_key_ring(path).unseal(sealed) == "rahasia"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.usefixtures("registry")
def test_setup_makes_a_key_ring_where_nothing_is_sealed() -> None:
    current_settings().credentials_file.unlink()
    keys.ensure_key_ring()
    assert load_key_ring(current_settings().credentials_file).seal("rahasia")


def _begin_totp() -> None:
    totp.begin(make_user().id, by="made")


@pytest.mark.usefixtures("registry")
@pytest.mark.parametrize("seal", [make_site, _begin_totp, keys.public_key])
def test_setup_makes_no_second_key_ring_beside_sealed_secrets(seal: object) -> None:
    assert callable(seal)
    seal()
    current_settings().credentials_file.unlink()
    with pytest.raises(RefusedError):
        keys.ensure_key_ring()
    assert not current_settings().credentials_file.exists()

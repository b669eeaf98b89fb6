"""What may be named on a server."""

import pytest

from siappakai.domain.naming import check_certificate
from siappakai.errors import InvalidInputError

CHAIN, KEY = "/etc/letsencrypt/live/bajera.desa.id/fullchain.pem", "/etc/ssl/desa_1/key.pem"


def test_a_certificate_is_two_paths_or_none():
    assert check_certificate(CHAIN, KEY) == (CHAIN, KEY)
    assert check_certificate("", "") == ("", "")


@pytest.mark.parametrize(
    ("chain", "key", "field"),
    [
        (CHAIN, "", "certificate_key"),
        ("", KEY, "certificate"),
        ("fullchain.pem", KEY, "certificate"),
        ("/etc/ssl/../shadow", KEY, "certificate"),
        ("/etc/ssl//chain.pem", KEY, "certificate"),
        (CHAIN, "/etc/key.pem; root /", "certificate_key"),
        (CHAIN, "/etc/{key}", "certificate_key"),
        (CHAIN, "/etc/key.pem\n", "certificate_key"),
        (CHAIN, "/" + "a" * 255, "certificate_key"),
    ],
)
def test_half_a_certificate_and_odd_paths_are_refused(chain: str, key: str, field: str):
    with pytest.raises(InvalidInputError) as caught:
        check_certificate(chain, key)

    assert caught.value.field == field

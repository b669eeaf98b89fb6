"""Databases of the real OpenSID, of different origin, in one gabungan.

`SIAPPAKAI_TEST_OPENSID_DUMPS` names the folder with dumps of them (`*.sql.gz`): the first by name
that holds `v2410_fresh` gives the gabungan its schema.
"""

from __future__ import annotations

import gzip
import os
import subprocess
from pathlib import Path

import pytest

from tests.gabungans import Merger
from tests.shaped import Village

DUMPS = os.environ.get("SIAPPAKAI_TEST_OPENSID_DUMPS", "")
pytestmark = [
    pytest.mark.opensid,
    pytest.mark.integration,
    pytest.mark.skipif(not DUMPS, reason="SIAPPAKAI_TEST_OPENSID_DUMPS is not set"),
]


def load(merger: Merger, dump: Path, number: int) -> Village:
    """Load a dump as a village with a code of its own."""
    village = Village(number)
    merger.query(f"CREATE DATABASE t_v{number} CHARACTER SET utf8mb3")
    client = ["mariadb", "--no-defaults", "-uroot", f"--socket={merger.socket}", f"t_v{number}"]
    subprocess.run(client, input=gzip.decompress(dump.read_bytes()), check=True)
    merger.query(f"UPDATE t_v{number}.config SET kode_desa = %s", village.code)
    return village


def test_villages_of_different_origin_merge_and_merge_again(
    merger: Merger, tmp_path_factory: pytest.TempPathFactory
) -> None:
    dumps = sorted(Path(DUMPS).glob("*.sql.gz"))
    fresh = next(one for one in dumps if "v2410_fresh" in one.name)
    real = Merger(merger.socket, tmp_path_factory.mktemp("real"), schema="t_gabungan_nyata")
    load(real, fresh, 300)
    assert real.create("t_v300") == []
    try:
        villages = [load(real, dump, 301 + number) for number, dump in enumerate(dumps)]
        for village in villages:
            report = real.merge(village)
            assert report["rows"] > 3000
            assert not [one for one in report["warnings"] if one.startswith("unknown: table")]
        before = [real.contents(village.number) for village in villages]
        for village in villages:
            real.merge(village)
        assert [real.contents(village.number) for village in villages] == before
    finally:
        real.forget()

"""A whole regency in one unattended run; long, so it belongs to `make soak`."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.integration, pytest.mark.soak, pytest.mark.timeout(3600)]
ROOT = Path(__file__).parents[2]


def test_the_133_villages_of_a_regency_are_installed_in_one_run() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench.install133"],
        capture_output=True,
        check=False,
        cwd=ROOT,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    assert json.loads(done.stdout.splitlines()[-1])["villages"] == 133

"""The gate lets no test be skipped for a part that is missing."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SAMPLE = """
import pytest

def test_a_part():
    pytest.skip("Chromium is not installed")

@pytest.mark.skipif(True, reason="sites are installed as root")
def test_a_right():
    pass

def test_a_list():
    pytest.skip("SIAPPAKAI_TEST_DATA names no folder with a.csv")
"""


@pytest.mark.patient
@pytest.mark.parametrize(
    ("strict", "said"), [("1", "1 failed, 1 skipped, 1 error"), ("", "3 skipped")]
)
def test_a_skip_fails_where_the_gate_is_strict(tmp_path: Path, strict: str, said: str):
    (tmp_path / "test_sample.py").write_text(SAMPLE)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "tests.strict", "-p", "no:cacheprovider",
         "--rootdir", tmp_path, "-c", "/dev/null", tmp_path],
        cwd=ROOT,
        env={
            "SIAPPAKAI_TEST_STRICT": strict,
            "PYTHONPATH": str(ROOT),
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        },
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip

    assert said in done.stdout, done.stdout + done.stderr

"""One worker per site, and never an older one after a newer."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from playbooks.module_utils.fence import fenced, hold
from playbooks.module_utils.outcome import Refusal

REPOSITORY = Path(__file__).parents[2]
HOLDER = """
import sys, time
from playbooks.module_utils.fence import hold
with hold(sys.argv[1], "desa"):
    print("held", flush=True)
    time.sleep(60)
"""


def test_an_older_token_is_refused_and_the_same_one_is_not(tmp_path: Path) -> None:
    locks = str(tmp_path / "locks")
    for token in (7, 7, 12):
        with fenced(locks, "desa", token):
            assert int(Path(locks, "desa").read_text()) == token
    with pytest.raises(Refusal) as refusal, fenced(locks, "desa", 11):
        raise AssertionError("an older run got in")
    assert refusal.value.code == "superseded"
    assert refusal.value.params == {"token": 11, "seen": 12}


def test_a_dry_run_leaves_the_token_alone(tmp_path: Path) -> None:
    with fenced(str(tmp_path), "desa", 3):
        pass
    with fenced(str(tmp_path), "desa", 9, dry=True):
        pass
    with fenced(str(tmp_path), "desa", 4):
        assert int((tmp_path / "desa").read_text()) == 4


def test_who_comes_second_waits_and_gives_up_with_a_word(tmp_path: Path) -> None:
    with (
        hold(str(tmp_path), "desa"),
        pytest.raises(Refusal) as refusal,
        hold(str(tmp_path), "desa", patience=0.2),
    ):
        raise AssertionError("two at once")
    assert refusal.value.code == "busy"


def test_a_killed_holder_frees_the_lock(tmp_path: Path) -> None:
    argv = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, cwd=REPOSITORY) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == b"held\n"
        holder.kill()
        with hold(str(tmp_path), "desa", patience=5):
            assert time.monotonic()


def test_a_lock_unlinked_meanwhile_is_taken_anew(tmp_path: Path) -> None:
    with fenced(str(tmp_path), "desa", 5):
        (tmp_path / "desa").unlink()
        with hold(str(tmp_path), "desa", patience=1) as other:
            assert os.path.samestat(os.fstat(other), (tmp_path / "desa").stat())


def test_the_lock_folder_is_made_again_after_a_reboot(tmp_path: Path) -> None:
    folder = tmp_path / "run" / "locks"
    with hold(str(folder), "desa"):
        assert folder.stat().st_mode & 0o777 == 0o700

"""A user's processes are found by this machine's table, and a container's are left alone."""

import os
import pwd
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from playbooks.module_utils.processes import kill_all, pids_of_user, signal_found

# A user id of no account here, so that nobody else's processes are found.
UID = 59998
Launch = Callable[..., "subprocess.Popen[bytes]"]

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="changes users and roots")


@pytest.fixture
def launch() -> Iterator[Launch]:
    started: list[subprocess.Popen[bytes]] = []

    def start(*argv: str, code: str = "") -> "subprocess.Popen[bytes]":
        words = argv or (sys.executable, "-c", code)
        process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        started.append(process)
        assert process.stdout
        assert process.stdout.readline() == b"up\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def _asleep(before: str = "") -> str:
    return f"import os, sys; {before}os.setuid({UID}); print('up', flush=True); sys.stdin.read()"


def test_a_users_processes_are_found_and_killed(launch: Launch) -> None:
    ours = [launch(code=_asleep()), launch(code=_asleep())]
    assert sorted(pids_of_user(UID)) == sorted(process.pid for process in ours)
    assert kill_all(lambda: pids_of_user(UID), seconds=10) == []
    assert [process.wait(10) for process in ours] == [-signal.SIGKILL] * 2


def test_a_container_with_the_same_user_id_is_left_alone(launch: Launch, tmp_path: Path) -> None:
    inside = launch(code=_asleep(f"os.chroot({str(tmp_path)!r}); "))
    assert pids_of_user(UID) == []
    assert kill_all(lambda: pids_of_user(UID), seconds=1) == []
    assert inside.poll() is None


def test_only_what_is_still_found_is_signalled(launch: Launch) -> None:
    first, second = launch(code=_asleep()), launch(code=_asleep())
    answers = iter([[first.pid, second.pid], [second.pid]])
    signal_found(lambda: next(answers), signal.SIGKILL)
    assert second.wait(10) == -signal.SIGKILL
    assert first.poll() is None


def test_the_user_id_is_nobodys() -> None:
    assert UID not in {entry.pw_uid for entry in pwd.getpwall()}

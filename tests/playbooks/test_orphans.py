"""What an earlier play left at work is waited for, then ended; newer plays are not."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from playbooks.module_utils.fence import fenced, hand_over
from playbooks.module_utils.orphans import MARKER, Strays, settle
from playbooks.module_utils.outcome import Refusal

# Does as little about SIGTERM as a process that is stuck.
DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
LAZY = "import time; time.sleep(600)"
Launch = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Launch]:
    """Start a process of a play."""
    started: list[subprocess.Popen[bytes]] = []

    def start(play_id: str, code: str = LAZY) -> "subprocess.Popen[bytes]":
        process = subprocess.Popen(
            [sys.executable, "-c", code], env={MARKER: f"{tmp_path}:{play_id}"}
        )
        started.append(process)
        time.sleep(0.3)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()


def reap(process: "subprocess.Popen[bytes]") -> int:
    return process.wait(10)


def test_an_orphan_is_ended_and_named(tmp_path: Path, launch: Launch) -> None:
    orphan = launch("7-100")
    strays = Strays(str(tmp_path), "7-200")
    assert strays.find() == [orphan.pid]
    ended = strays.end(0.0, spare=False)
    assert (
        ended == [f"{orphan.pid} {Path(sys.executable).resolve().name}"]
        or str(orphan.pid) in ended[0]
    )
    assert reap(orphan) == -signal.SIGTERM


def test_one_that_is_deaf_or_asleep_is_killed(tmp_path: Path, launch: Launch) -> None:
    deaf, asleep = launch("7-100", DEAF), launch("7-150")
    asleep.send_signal(signal.SIGSTOP)
    assert len(Strays(str(tmp_path), "7-200").end(0.0, spare=False)) == 2
    assert {reap(deaf), reap(asleep)} == {-signal.SIGKILL}


def test_one_that_ends_in_time_is_left_to_it(tmp_path: Path, launch: Launch) -> None:
    brief = launch("7-100", "import time; time.sleep(1)")
    assert Strays(str(tmp_path), "7-200").end(20.0, spare=False) == []
    assert reap(brief) == 0


@pytest.mark.parametrize("play_id", ["7-200", "7-300", "8-100", "77-100", "0-0", "7-x"])
def test_only_older_plays_of_the_run_are_meant(
    tmp_path: Path, launch: Launch, play_id: str
) -> None:
    other = launch(play_id)
    assert Strays(str(tmp_path), "7-200").end(0.0, spare=False) == []
    assert Strays(str(tmp_path / "elsewhere"), "7-900").find() == []
    assert other.poll() is None


def test_the_preparation_of_a_server_is_never_cut_short(tmp_path: Path, launch: Launch) -> None:
    busy = launch("7-100")
    with pytest.raises(Refusal, match="still at work") as caught:
        settle(str(tmp_path), "7-200", [], 0.0)
    assert caught.value.code == "still_working"
    assert busy.poll() is None
    busy.kill()
    busy.wait()
    assert settle(str(tmp_path), "7-200", [], 0.0) == []


def _starting_tasks(tasks: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Tasks in which Debian's scripts or service managers start daemons."""
    for task in tasks:
        yield from _starting_tasks(task.get("block", []))
        service = task.get("ansible.builtin.service", {})
        if "ansible.builtin.apt" in task or service.get("state") in {"started", "restarted"}:
            yield task


def test_daemons_are_started_without_the_mark() -> None:
    roles = Path(__file__).parents[2] / "playbooks/roles"
    # The panel's own preparation carries no mark.
    files = [path for path in roles.glob("*/*/*.yml") if path.parts[-3] not in {"panel", "service"}]
    found = [
        task
        for path in files
        if path.parent.name in {"tasks", "handlers"}
        for task in _starting_tasks(yaml.safe_load(path.read_text()))
    ]
    assert len(found) == 5
    for task in found:
        assert task.get("environment") == {MARKER: ""}, task["name"]


def test_a_site_handed_over_refuses_the_older_run(tmp_path: Path) -> None:
    hand_over(str(tmp_path / "fresh"), "opensid-1", 200, patience=0.0)
    with pytest.raises(Refusal) as caught, fenced(str(tmp_path / "fresh"), "opensid-1", 100):
        pytest.fail("an older run got in")
    assert caught.value.code == "superseded"
    with fenced(str(tmp_path / "fresh"), "opensid-1", 200):
        assert True

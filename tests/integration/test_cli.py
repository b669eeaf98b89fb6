"""The installed program, against a real queue, real workers and a real clock."""

import json
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration

PROGRAM = Path(sys.executable).with_name("siappakai")
SECONDS = 60


@pytest.fixture
def folder() -> Iterator[Path]:
    """A state folder that other users can reach, with a path short enough for a socket."""
    made = Path(tempfile.mkdtemp(prefix="siappakai-cli-", dir="/tmp"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


@pytest.fixture
def environment(folder: Path) -> dict[str, str]:
    return {
        **os.environ,
        "SIAPPAKAI_STATE": str(folder),
        "SIAPPAKAI_RUN_DIR": str(folder),
        "SIAPPAKAI_TICK_SECONDS": "2",
    }


def call(environment: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [PROGRAM, *words], env=environment, capture_output=True, text=True, check=False, cwd="/"
    )


@pytest.fixture
def running(environment: dict[str, str], folder: Path) -> Iterator[None]:
    """Queue, worker, clock worker, clock and lookout, as the supervisor starts them."""
    assert call(environment, "registry", "upgrade").returncode == 0
    redis = ["redis-server", "--port", "0", "--unixsocket", str(folder / "redis.sock")]
    redis += ["--dir", str(folder), "--save", ""]
    worker = [sys.executable, "-m", "siappakai.worker"]
    started = []
    lookout = [sys.executable, "-m", "siappakai.lookout"]
    workers = ([*worker, "runs"], [*worker, "clock"], [*worker, "tick"])
    for argv in (redis, *workers, lookout):
        while argv is not redis and not (folder / "redis.sock").exists():
            time.sleep(0.05)
        with (folder / "log").open("ab") as log:
            started.append(subprocess.Popen(argv, env=environment, stdout=log, stderr=log))
    yield
    for process in reversed(started):
        process.terminate()
        process.wait(timeout=SECONDS)


@pytest.mark.usefixtures("running")
def test_doctor_finds_nothing_wrong_with_a_running_installation(environment: dict[str, str]):
    until = time.monotonic() + SECONDS
    while True:
        said = call(environment, "doctor", "--json")
        # Whether somebody keeps its clock right is a matter of the machine.
        checks = [one for one in json.loads(said.stdout)["items"] if one["name"] != "time"]
        unwell = [check for check in checks if not check["ok"]]
        if not unwell or time.monotonic() > until:
            break
        time.sleep(1)
    assert unwell == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can step down")
def test_root_steps_down_to_the_owner_of_the_state_folder(
    environment: dict[str, str], folder: Path
):
    owner = pwd.getpwnam("nobody")
    shutil.chown(folder, owner.pw_uid, owner.pw_gid)
    assert call(environment, "registry", "upgrade").returncode == 0
    assert call(environment, "server", "key").returncode == 0
    made = list(folder.iterdir())
    assert folder / "credentials.key" in made
    assert {path.owner() for path in made} == {"nobody"}
    assert call(environment, "settings", "set", "drain", "on").returncode == 0
    trail = json.loads(call(environment, "audit", "list", "--json").stdout)
    assert trail["items"][0]["actor"] == "cli:root"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_stranger_is_refused(environment: dict[str, str], folder: Path):
    assert call(environment, "registry", "upgrade").returncode == 0
    folder.chmod(0o700)
    said = subprocess.run(
        ["setpriv", "--reuid=nobody", "--clear-groups", PROGRAM, "village", "list", "--json"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
    )
    assert said.returncode == 5
    assert json.loads(said.stderr)["error"]["kind"] == "refused"

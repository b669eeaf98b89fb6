"""Machines for workers alone: a network, processes and a state folder of their own.

They share with the panel what docs/operations.md says they must: the PostgreSQL and the Redis
of the panel, over TCP with TLS and passwords, and the key ring. Nothing else.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from redis import Redis
from redis.exceptions import RedisError
from sqlalchemy import make_url

from siappakai.ansible.processes import descendants
from siappakai.config import Settings
from siappakai.supervisor import Child, children
from tests.certificates import self_signed
from tests.databases import daemon, daemon_folder, run_as
from tests.sshd import free_port

# One process above the worker, so that its end is not the end of all that is there.
_FIRST = '"$@" & wait; exec sleep 1000'


@dataclass(frozen=True)
class Shared:
    """Where the machines meet: this machine's address on their network, and what it offers."""

    address: str
    certificate: Path
    database_url: str
    database_password: str
    redis_url: str

    @property
    def passwords(self) -> dict[str, str]:
        redis = urlsplit(self.redis_url).password
        return {"database_password": self.database_password, "redis_password": str(redis)}

    def settings(self, folder: Path) -> str:
        """Return siappakai.toml for a machine, whose folder gets its own password file."""
        passwords = folder / "pgpass"
        passwords.touch(mode=0o600)
        passwords.write_text(f"*:*:*:*:{self.database_password}\n")
        found = {
            "database_url": f"{self.database_url}&passfile={passwords}",
            "redis_url": self.redis_url,
            "workers": 1,
        }
        return "".join(f"{name} = {json.dumps(value)}\n" for name, value in found.items())


@dataclass
class WorkerMachine:
    """A machine that only serves the queue of runs."""

    name: str
    folder: Path
    account: str
    child: Child | None = None

    def prepare(self, shared: Shared, panel: Settings) -> None:
        """Lay down what the handbook says: settings, key ring, and the archives it would make."""
        state = self.folder / "state"
        (self.folder / "run").mkdir(parents=True)
        state.mkdir()
        (state / "siappakai.toml").write_text(shared.settings(state))
        (state / "siappakai.toml").chmod(0o600)
        shutil.copy(panel.credentials_file, state)
        shutil.copytree(panel.state / "archives", state / "archives")

    def start(self) -> None:
        """Start the worker as the supervisor names it."""
        state, run_dir = self.folder / "state", self.folder / "run"
        settings = Settings(state=state, run_dir=run_dir, workers=1, redis_url="redis://unused")
        (child,) = [one for one in children(settings) if one.name == "worker-1"]
        spaces = ["ip", "netns", "exec", self.name, "unshare", "--pid", "--fork", "--mount-proc"]
        person = ["setpriv", "--reuid", self.account, "--regid", self.account, "--init-groups"]
        known = [f"SIAPPAKAI_STATE={state}", f"SIAPPAKAI_RUN_DIR={run_dir}", f"HOME={state}"]
        first = ["sh", "-c", _FIRST, "sh", *child.argv]
        child.argv = [*spaces, "--kill-child", *person, "--", "env", *known, *first]
        subprocess.run(["chown", "-R", f"{self.account}:", self.folder], check=True)
        child.start()
        self.child = child

    def workers(self) -> list[int]:
        """Return the worker and, when it is at work, its horse; Ansible is not among them."""
        if self.child is None or self.child.process is None:
            return []
        found = descendants(self.child.process.pid)
        return [pid for pid in found if _command(pid)[::3] == [sys.executable, "runs"]]

    def kill_worker(self) -> None:
        """Kill -9 the worker and its horse; what Ansible has begun goes on."""
        for pid in self.workers():
            os.kill(pid, 9)

    def stop(self) -> None:
        """Switch the machine off."""
        if self.child is not None and self.child.process is not None:
            for pid in descendants(self.child.process.pid)[:1]:
                os.kill(pid, 9)
            self.child.process.kill()
            self.child.process.wait()


def _command(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().rstrip("\0").split("\0")
    except OSError:
        return []


@contextmanager
def worker_network(names: list[str]) -> Iterator[str]:
    """Yield this machine's address on a new network that joins it with namespaces of `names`."""
    number = secrets.randbelow(200) + 20
    bridge, base = f"spkw{number}", f"10.214.{number}"
    with ExitStack() as undo:
        _ip("link", "add", bridge, "type", "bridge")
        undo.callback(_ip, "link", "del", bridge)
        _ip("addr", "add", f"{base}.1/24", "dev", bridge)
        _ip("link", "set", bridge, "up")
        for place, name in enumerate(names, start=2):
            cable = f"spkw{number}c{place}"
            _ip("netns", "add", name)
            undo.callback(_ip, "netns", "del", name)
            _ip("link", "add", cable, "type", "veth", "peer", "name", "eth0", "netns", name)
            _ip("link", "set", cable, "master", bridge, "up")
            _ip("-netns", name, "addr", "add", f"{base}.{place}/24", "dev", "eth0")
            _ip("-netns", name, "link", "set", "eth0", "up")
            _ip("-netns", name, "link", "set", "lo", "up")
        yield f"{base}.1"


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


@contextmanager
def shared_services(address: str) -> Iterator[Shared]:
    """Yield a PostgreSQL and a Redis that listen on an address, by TLS and with passwords."""
    with ExitStack() as running:
        folder = running.enter_context(daemon_folder("net-", owner="postgres"))
        folder.chmod(0o755)
        certificate, key = self_signed(folder, address)
        shutil.chown(key, "postgres")
        database, password = _postgres(running, folder, address, (certificate, key))
        redis = _redis(running, folder, address, (certificate, key))
        yield Shared(address, certificate, database, password, redis)


def _postgres(
    running: ExitStack, folder: Path, address: str, tls: tuple[Path, Path]
) -> tuple[str, str]:
    programs = max(Path("/usr/lib/postgresql").glob("*/bin"))
    password, port = secrets.token_urlsafe(24), free_port()
    given = folder / "password"
    given.touch(mode=0o600)
    given.write_text(f"{password}\n")
    shutil.chown(given, "postgres")
    initdb = [programs / "initdb", "-D", folder / "data", "-U", "siappakai", "-E", "UTF8"]
    options = ["--locale=C.UTF-8", "--no-sync", "-A", "scram-sha-256", f"--pwfile={given}"]
    run_as([*initdb, *options], "postgres", folder)
    rules = folder / "data" / "pg_hba.conf"
    rules.write_text("hostssl all siappakai 10.214.0.0/16 scram-sha-256\n")
    server: list[str | Path] = [programs / "postgres", "-D", folder / "data", "-k", folder]
    for setting in (
        f"listen_addresses={address}",
        f"port={port}",
        "ssl=on",
        f"ssl_cert_file={tls[0]}",
        f"ssl_key_file={tls[1]}",
        "fsync=off",
    ):
        server += ["-c", setting]
    plain = f"postgresql+psycopg://siappakai@{address}:{port}/postgres"
    url = f"{plain}?sslmode=verify-full&sslrootcert={tls[0]}"
    known = make_url(url).set(password=password)
    running.enter_context(daemon(server, "postgres", folder, known))
    return url, password


def _redis(running: ExitStack, folder: Path, address: str, tls: tuple[Path, Path]) -> str:
    password, port = secrets.token_urlsafe(24), free_port()
    settings = folder / "redis.conf"
    settings.touch(mode=0o600)
    settings.write_text(
        f"bind {address}\nport 0\ntls-port {port}\ntls-cert-file {tls[0]}\n"
        f"tls-key-file {tls[1]}\ntls-auth-clients no\nrequirepass {password}\n"
        f'save ""\ndir {folder}\nlogfile {folder}/redis.log\n'
    )
    for owned in (settings, folder):
        shutil.chown(owned, "postgres")
    process = subprocess.Popen(["redis-server", settings], user="postgres")
    running.callback(process.wait)
    running.callback(process.terminate)
    url = f"rediss://:{password}@{address}:{port}/0?ssl_ca_certs={tls[0]}"
    until = time.monotonic() + 10
    while not _answers(url):
        if time.monotonic() > until:
            raise TimeoutError(f"Redis does not answer: {(folder / 'redis.log').read_text()}")
        time.sleep(0.05)
    return url


def _answers(url: str) -> bool:
    try:
        with Redis.from_url(url) as link:
            return bool(link.ping())
    except RedisError:
        return False

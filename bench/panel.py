"""How quickly pages come from a registry with years of work in it, while a run is at work."""

from __future__ import annotations

import argparse
import json
import random
import re
import secrets
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from bench import history
from bench.installation import await_panel, configure
from bench.memory import Peaks
from siappakai.config import Settings
from siappakai.credentials import create_key_ring
from siappakai.models import Role
from siappakai.models.app import registry_app
from siappakai.models.migrating import upgrade_registry
from siappakai.services import accounts
from siappakai.services import settings as registry_settings
from siappakai.supervisor import Child, behind_people, children
from siappakai.web import create_app
from siappakai.web.bearer import is_api_endpoint

_PARTS = ("redis", "panel")
_CLIENTS = 8
# Eight people look at what they get before they ask again.
_PAUSE_SECONDS = 0.25
_BAR_MS = 100.0
# Files, answers for programs, what is there before a login or the first site, and the proof of
# the whole audit trail, which reads all of it on request.
_NO_PAGES = {
    "audit.verify_chain",
    "auth.code",
    "auth.login",
    "health.healthz",
    "health.readyz",
    "imports.export",
    "metrics.show",
    "setup.show",
    "static",
    "totp.qr",
}
_NARROWED = {
    "villages, last page": "/villages/?page=9999&sort=-domain",
    "villages, searched": "/villages/?query=Desa+49&sort=-state",
    "villages, filtered": "/villages/?server=Server+7&state=broken",
    "runs, failed": "/runs/?state=failed",
    "runs, last page": "/runs/?page=999999",
    "runs, of a server": "/runs/?server=Server+7&play=install",
    "runs, of a person": "/runs/?requested_by=bench",
}
_CSRF = re.compile(r'name="csrf_token"[^>]*value="([^"]+)"')
_USER, _PASSWORD = "bench", secrets.token_urlsafe(18)


@dataclass
class Times:
    """Milliseconds from asking for a page to its last byte, by page."""

    by_page: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, page: str, milliseconds: float) -> None:
        with self.lock:
            self.by_page[page].append(milliseconds)

    def p95(self) -> dict[str, float]:
        """Return the 95th percentile of each page, the slowest page first."""
        found = {page: _p95(times) for page, times in self.by_page.items()}
        return dict(sorted(found.items(), key=lambda item: -item[1]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--villages", type=int, default=5000)
    parser.add_argument("--runs", type=int, default=50_000)
    parser.add_argument("--targets", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=13, help="times each client asks each page")
    parser.add_argument("--rest", type=int, default=0, help="seconds between filling and asking")
    options = parser.parse_args()
    size = history.Size(options.villages, options.runs, options.targets)
    with _installation() as settings:
        began = time.monotonic()
        live, pages = _prepare(settings, size)
        print(f"registry filled in {time.monotonic() - began:.0f} s", flush=True)
        # A rented machine that was busy for minutes may be slowed down for as long.
        time.sleep(options.rest)
        times, memory = _measure(settings, live, pages, options.rounds)
    _tell(size, times.p95(), memory)


@contextmanager
def _installation() -> Iterator[Settings]:
    state = Path(tempfile.mkdtemp(prefix="siappakai-bench-"))
    configure(state)
    settings = Settings()
    try:
        settings.run_dir.mkdir(mode=0o700, exist_ok=True)
        create_key_ring(settings.credentials_file)
        upgrade_registry(settings)
        yield settings
    finally:
        shutil.rmtree(state)


def _prepare(settings: Settings, size: history.Size) -> tuple[int, dict[str, str]]:
    """Fill the registry; return the run that shall be at work, and the pages by name."""
    with registry_app(settings).app_context():
        registry_settings.put(registry_settings.REQUIRE_TOTP_FOR_ADMINS, value=False, by=history.BY)
        accounts.create_user(username=_USER, password=_PASSWORD, role=Role.ADMIN, by=history.BY)
        ids = history.fill(size)
        return ids["run_id"], _pages(settings, ids)


def _pages(settings: Settings, ids: dict[str, Any]) -> dict[str, str]:
    """Return the address of every page, and of lists as people narrow them, by name."""
    panel = create_app(settings)
    adapter = panel.url_map.bind("localhost")
    pages = {
        rule.endpoint: adapter.build(rule.endpoint, {name: ids[name] for name in rule.arguments})
        for rule in panel.url_map.iter_rules()
        if "GET" in (rule.methods or ())
        and rule.endpoint not in _NO_PAGES
        and not is_api_endpoint(rule.endpoint)
    }
    ended = {"runs.show, ended": f"/runs/{ids['ended_run_id']}"}
    return pages | _NARROWED | ended


def _measure(
    settings: Settings, live: int, pages: dict[str, str], rounds: int
) -> tuple[Times, Peaks]:
    parts = [child for child in children(settings) if child.name in _PARTS]
    times, memory = Times(), Peaks()
    events = subprocess.Popen(behind_people(sys.executable, "-m", "bench.events", str(live)))
    try:
        for part in parts:
            part.start()
        await_panel(settings)
        base = f"http://{settings.host}:{settings.port}"
        with ThreadPoolExecutor(_CLIENTS) as clients:
            asked = [clients.submit(_ask, base, pages, rounds, times) for _ in range(_CLIENTS)]
            for one in asked:
                one.result()
        memory.look(_pid(parts[-1]))
        if events.poll() is not None:
            sys.exit("The run at work ended meanwhile.")
    finally:
        events.kill()
        events.wait()
        for part in reversed(parts):
            part.stop()
    return times, memory


def _ask(base: str, pages: dict[str, str], rounds: int, times: Times) -> None:
    """Ask for every page, in an order of one's own, with a pause after each."""
    with requests.Session() as session:
        _sign_in(session, base)
        for number in range(rounds + 1):
            for page, path in random.sample(sorted(pages.items()), len(pages)):
                began = time.perf_counter()
                answer = _get(session, f"{base}{path}")
                milliseconds = (time.perf_counter() - began) * 1000
                if answer.status_code != requests.codes.ok:
                    raise RuntimeError(f"{path} answered {answer.status_code}")
                # The first round finds nothing compiled and nothing in memory.
                if number:
                    times.note(page, milliseconds)
                time.sleep(_PAUSE_SECONDS)


def _get(session: requests.Session, url: str) -> requests.Response:
    try:
        return session.get(url, timeout=30, allow_redirects=False)
    except requests.Timeout:
        raise RuntimeError(f"{url} did not answer in 30 s") from None


def _sign_in(session: requests.Session, base: str) -> None:
    found = _CSRF.search(session.get(f"{base}/login", timeout=30).text)
    if found is None:
        raise RuntimeError("the login page has no form")
    form = {"csrf_token": found[1], "username": _USER, "password": _PASSWORD}
    answer = session.post(f"{base}/login", data=form, timeout=30, allow_redirects=False)
    if answer.status_code != requests.codes.see_other:
        raise RuntimeError(f"signing in answered {answer.status_code}")


def _pid(child: Child) -> int:
    if child.process is None:
        raise RuntimeError(f"{child.name} does not run")
    return child.process.pid


def _p95(times: list[float]) -> float:
    return round(statistics.quantiles(times, n=20)[-1], 1)


def _tell(size: history.Size, pages: dict[str, float], memory: Peaks) -> None:
    for page, milliseconds in pages.items():
        print(f"{page:24} {milliseconds:8.1f} ms{' *' if milliseconds > _BAR_MS else ''}")
    result = {
        "bench": "panel",
        "villages": size.villages,
        "runs": size.runs,
        "targets": size.targets,
        "clients": _CLIENTS,
        "p95_ms": max(pages.values()),
        "p95_ms_by_page": pages,
        "rss_mb": round(sum(memory.values()), 1),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()

"""Kills in the middle of preparing a server and of removing sites, and servers that keep silent."""

from __future__ import annotations

import os
import pwd
import socket
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from siappakai.domain.states import RunState, ServerState, SiteState
from siappakai.models import Run, Site, db, registry_now, utc_now
from siappakai.services import rounds, servers, sites
from tests import factories
from tests.engine import INSTALLED_SECONDS, PARTS, Engine

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(os.geteuid() != 0, reason="sites are installed as root"),
    pytest.mark.timeout(900),
]


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port that takes connections and says nothing, as a server whose sshd hangs."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def kill_worker(engine: Engine, run: Run) -> Run:
    """Kill -9 a worker with its horse once a module of the run is at work; return its end."""
    engine.until(lambda: bool(engine.modules(run)))
    horse = engine.horse("worker-1")
    engine.kill(engine.pid("worker-1"))
    engine.kill(horse)
    return engine.settle(run)


def test_a_killed_preparation_settles_and_a_retry_completes(engine: Engine) -> None:
    engine.start(*PARTS)
    run = servers.request_prepare(engine.server.id, by=factories.BY)
    ended = kill_worker(engine, run)
    assert ended.state is RunState.FAILED, engine.told(ended)
    db.session.refresh(engine.server)
    assert engine.server.state is ServerState.FAILED
    engine.complete(ended, [])
    db.session.refresh(engine.server)
    assert engine.server.state is ServerState.READY


def test_a_killed_removal_settles_and_another_completes(engine: Engine) -> None:
    engine.start(*PARTS)
    planned = engine.villages(3)
    engine.complete(engine.settle(engine.install(planned), INSTALLED_SECONDS), planned)
    ended = kill_worker(engine, removal(planned))
    left = [site for site in planned if state_of(site) is not SiteState.REMOVED]
    assert ended.state is (RunState.FAILED if left else RunState.SUCCEEDED), engine.told(ended)
    assert left, "it was over before it could be killed"
    again = engine.settle(removal(left))
    assert again.state is RunState.SUCCEEDED, engine.told(again)
    for site in planned:
        assert state_of(site) is SiteState.REMOVED
        assert traces(engine, site) == []


def removal(planned: list[Site]) -> Run:
    """Ask for sites to be removed."""
    ids = [site.id for site in planned]
    (run,) = sites.request_remove(site_ids=ids, confirmed_count=len(ids), by=factories.BY)
    return run


def state_of(site: Site) -> SiteState:
    db.session.commit()
    return db.session.get_one(Site, site.id, populate_existing=True).state


def traces(engine: Engine, site: Site) -> list[str]:
    """Return what a server still has of a site that was removed."""
    code, layout = site.village.code, engine.fleet.layout
    found = [str(path) for path in Path(layout.sites).glob(f"*{code}*")]
    # Another fleet on this machine may have a village of the same code.
    found += [name for name in accounts(layout.prefix) if code in name]
    found += [name for (name,) in engine.fleet.query("SHOW DATABASES") if code in name]
    archives = len(list(Path(layout.archive).glob(f"*{code}*")))
    return found if archives == 1 else [*found, f"{archives} archives"]


def accounts(prefix: str) -> list[str]:
    """Return the unix accounts of one fleet."""
    names = (entry.pw_name for entry in pwd.getpwall())
    return [name for name in names if name.startswith(f"{prefix}-")]


def test_silent_servers_hold_up_neither_each_other_nor_the_clock(
    engine: Engine, silent_port: int
) -> None:
    lost = [lost_run(name, silent_port) for name in ("Bisu 1", "Bisu 2")]
    engine.start(*PARTS)
    engine.until(lambda: all(is_probed(engine, run) for run in lost), 20)
    before = last_tick_at()
    engine.until(lambda: last_tick_at() != before, 5)
    assert all(is_probed(engine, run) for run in lost), "the probes had ended meanwhile"


def lost_run(name: str, port: int) -> Run:
    """Return a run whose worker is gone, on a server of its own that keeps silent."""
    server = factories.make_server(name, address="127.0.0.1", port=port, root=f"/srv/{name[-1]}")
    site = factories.make_site(server=server, release=factories.make_release())
    past = utc_now() - timedelta(minutes=1)
    return factories.make_run("install", [site], state=RunState.LOST, lease_until=past)


def last_tick_at() -> datetime | None:
    db.session.commit()
    return rounds.last_tick_at()


def is_probed(engine: Engine, run: Run) -> bool:
    """Tell whether somebody settles a lost run just now."""
    until = engine.fresh(run).lease_until
    return until is not None and until > registry_now(db.session())

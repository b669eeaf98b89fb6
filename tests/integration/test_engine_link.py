"""An install on a second machine, over SSH, whose network cable is pulled in the middle."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace

import pytest
from sqlalchemy import select

from siappakai.domain.naming import server_layout
from siappakai.domain.states import RunState
from siappakai.models import RunLock, db
from siappakai.services import keys
from tests import factories
from tests.engine import PARTS, Engine
from tests.hosts import DebianHost, debian_host
from tests.playing import play, servers
from tests.sites import Fleet

pytestmark = [
    pytest.mark.integration,
    pytest.mark.hosts,
    pytest.mark.skipif(os.geteuid() != 0, reason="hosts are built by root"),
    pytest.mark.timeout(1800),
]

# SSH gives up a silent server after 30 s.
NOTICED_SECONDS = 240.0
LAYOUT = server_layout(
    prefix="spl", root="/srv/siappakai", services="system", php_versions=("8.2",)
)


@pytest.fixture(scope="module")
def host() -> Iterator[DebianHost]:
    with debian_host("link") as bare:
        prepared = play("server", servers(LAYOUT, **bare.inventory_vars))
        assert prepared.succeeded, prepared.text
        yield bare


@pytest.fixture
def remote(engine: Engine, host: DebianHost) -> Engine:
    """The engine, its server the other machine; the panel's own key opens the account there."""
    server = factories.make_server(
        "Server jauh",
        connection="ssh",
        address=host.address,
        port=host.port,
        user=host.user,
        host_key=" ".join(host.known_hosts.read_text().split()[1:3]),
        prefix=LAYOUT.prefix,
        root=LAYOUT.root,
    )
    authorized = host.root / "home" / host.user / ".ssh/authorized_keys"
    with authorized.open("a") as file:
        file.write(f"{keys.public_key()}\n")
    fleet = Fleet(LAYOUT, engine.fleet.releases)
    return replace(engine, server=server, fleet=fleet, address=host.address)


def test_a_run_whose_server_is_cut_off_waits_for_it(remote: Engine, host: DebianHost) -> None:
    remote.start(*PARTS)
    planned = remote.villages(3)
    run = remote.install(planned)
    folder = host.root / f"srv/siappakai/sites/opensid-{planned[0].village.code}"
    remote.until(folder.exists, 300)
    host.cut()
    try:
        remote.until(lambda: "belum diketahui" in remote.fresh(run).message, NOTICED_SECONDS)
        lost = remote.fresh(run)
        assert lost.state is RunState.LOST
        assert lost.ended_at is None
        assert RunState.LOST in {target.state for target in lost.targets}
        held = set(db.session.scalars(select(RunLock.key).where(RunLock.run_id == run.id)))
        assert held == {f"site:{site.id}" for site in planned}
    finally:
        host.restore()
    ended = remote.settle(run, NOTICED_SECONDS)
    assert ended.state is RunState.FAILED, remote.told(ended)
    remote.complete(ended, planned)

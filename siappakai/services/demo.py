"""The demonstration: three villages of kecamatan Tabanan on this very machine.

It goes the way of every village: registered, a server prepared, sites planned and installed
through the queue. Its server is a private arrangement, so that the machine's own services are
not touched, and everything of it can be removed again.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from sqlalchemy import delete, select

from siappakai import wording
from siappakai.ansible.inventory import ServerHost, build_inventory
from siappakai.domain.naming import ServerLayout, server_layout
from siappakai.domain.servers import Arrangement
from siappakai.domain.states import TERMINAL, RunState, ServerState, SiteState
from siappakai.errors import ConflictError, SiapPakaiError
from siappakai.models import (
    District,
    LogChunk,
    Run,
    RunLock,
    Server,
    Site,
    Step,
    Target,
    Village,
    db,
)
from siappakai.models.transactions import transaction
from siappakai.services import (
    abandonment,
    audit,
    demo_places,
    enrolment,
    places,
    releases,
    runs,
    servers,
    settings,
    sites,
    villages,
)
from siappakai.services.local_plays import play_here

ACTOR = "demo"
SERVER = "peragaan"

_ARRANGEMENT_PREFIX = "demo"
_ROOT = "/srv/siappakai-demo"
_FIRST_PORT = 8090
_REGENCY = ("5102", "KAB. TABANAN", "BALI")
_DISTRICT = ("510205", "Tabanan")
_VILLAGES = (
    ("5102052001", "Sudimara"),
    ("5102052002", "Gubug"),
    ("5102052003", "Bongan"),
)
_POLL_SECONDS = 1.0
_STOP_TIMEOUT_SECONDS = 300
_REMOVED = wording.say("Peragaan ini dihapus.")

Say = Callable[[str], None]


def start(say: Say) -> list[str]:
    """Bring the demonstration up, from wherever it was left; return the addresses of its sites.

    `say` is told what happens. Raises SiapPakaiError when a step does not succeed.
    """
    with transaction():
        register_places()
        # Whoever tries it out gets in with the printed password; the dashboard says so.
        settings.put_if_unset(settings.REQUIRE_TOTP_FOR_ADMINS, value=False, by=ACTOR)
    server = _server()
    say(f"Menyiapkan server peragaan ({server.root}) …")
    _wait(servers.request_prepare(server.id, by=ACTOR), say)
    planned = _plan(server, say)
    new = [site.id for site in planned if site.state is not SiteState.ACTIVE]
    for run in _request(planned, new):
        _wait(run, say)
    return [f"http://{site.domain}:{server.http_port}/" for site in planned]


def stop() -> None:
    """Stop the daemons of the demonstration; its data stays."""
    server = servers.find_server(SERVER)
    if server is not None:
        _play_now("stop.yml", servers.layout_of(server))


def remove() -> bool:
    """Remove every trace of the demonstration; False when there is none.

    What a registry that is gone left on the machine is removed as well. Raises ConflictError
    while something runs on it.
    """
    server = servers.find_server(SERVER)
    if server is None and not Path(_ROOT).exists():
        return forget_places()
    if server is not None:
        take_out_of_service(server.id)
    _play_now("purge.yml", servers.layout_of(server) if server else _bare_layout())
    if server is not None:
        forget_server(server.id)
    forget_places()
    return True


def forget_places() -> bool:
    """Remove places of a demonstration that never came to a server; False when there are none."""
    with transaction():
        found = bool(demo_places.noted())
        demo_places.forget()
        settings.forget(settings.REQUIRE_TOTP_FOR_ADMINS, put_by=ACTOR)
    return found


def _bare_layout() -> ServerLayout:
    return server_layout(
        prefix=_ARRANGEMENT_PREFIX, root=_ROOT, services="private", php_versions=()
    )


def register_places() -> None:
    """Register the places of the demonstration that are missing, and note which those were."""
    code, name, province = _REGENCY
    present = places.find_regency()
    fresh: list[str] = []
    if present is None:
        places.set_regency(code=code, name=name, province_name=province, by=ACTOR)
        fresh.append(code)
    elif present.code != code:
        raise ConflictError(
            f"Panel ini sudah melayani {present.name}.",
            "Jalankan tanpa peragaan: make run DEMO=0.",
        )
    new = [village for village in _VILLAGES if villages.find_village(village[0]) is None]
    if db.session.get(District, _DISTRICT[0]) is None:
        places.set_district(code=_DISTRICT[0], name=_DISTRICT[1], by=ACTOR)
        fresh.append(_DISTRICT[0])
    for village_code, village_name in new:
        villages.register_village(code=village_code, name=village_name, by=ACTOR)
        fresh.append(village_code)
    demo_places.note(fresh, by=ACTOR)


def _server() -> Server:
    found = servers.find_server(SERVER)
    if found is not None:
        return found
    arrangement = Arrangement(
        services="private",
        prefix=_ARRANGEMENT_PREFIX,
        root=_ROOT,
        http_address="127.0.0.1",
        http_port=_free_port(_FIRST_PORT),
        https_port=_free_port(_FIRST_PORT + 100),
    )
    return enrolment.enrol_local_server(name=SERVER, arrangement=arrangement, by=ACTOR)


def _free_port(first: int) -> int:
    for port in range(first, first + 100):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return port
    raise SiapPakaiError(
        f"Porta {first} sampai {first + 99} terpakai semua.", "Bebaskan salah satu."
    )


def _plan(server: Server, say: Say) -> list[Site]:
    server = db.session.get_one(Server, server.id, populate_existing=True)
    version = releases.newest_seen(server.php_versions[0])
    say(f"Menyematkan rilis {version} …")
    release = releases.pin_release(version, by=ACTOR)
    return [_plan_one(villages.get_village(code), server, release.id) for code, _name in _VILLAGES]


def _plan_one(village: Village, server: Server, release_id: int) -> Site:
    site = sites.find_site(village.id)
    if site is None or site.state is SiteState.REMOVED:
        domain = f"{village.name.lower()}.localhost"
        site = sites.plan_site(village=village, server=server, domain=domain, by=ACTOR)
    if site.wanted_release_id is None:
        with transaction():
            site.wanted_release_id = release_id
    return site


def _request(planned: Sequence[Site], new: Sequence[int]) -> list[Run]:
    if not new:
        return sites.request_health(site_ids=[site.id for site in planned], by=ACTOR)
    wanted = next(site.wanted_release_id for site in planned if site.wanted_release_id)
    return sites.request_install(site_ids=new, release_id=wanted, by=ACTOR)


def _wait(run: Run, say: Say) -> None:
    """Follow a run to its end; raises SiapPakaiError unless it succeeded."""
    said = ""
    while True:
        db.session.commit()
        run = db.session.get_one(Run, run.id, populate_existing=True)
        if run.state in TERMINAL:
            break
        done = runs.progress(run.id).get(RunState.SUCCEEDED.value, 0)
        line = (
            f"  pekerjaan {run.id} ({run.play}): {done}/{len(run.targets)} {run.message}".rstrip()
        )
        if line != said:
            say(line)
            said = line
        time.sleep(_POLL_SECONDS)
    if run.state is not RunState.SUCCEEDED:
        failed = [t for t in run.targets if t.state is not RunState.SUCCEEDED]
        raise SiapPakaiError(
            f"Pekerjaan {run.id} ({run.play}) {run.state}: {failed[0].label}: {failed[0].message}",
            f"Lihat di panel: /runs/{run.id}.",
        )


def _play_now(playbook: str, layout: ServerLayout) -> None:
    """Play outside the queue: these are wanted when no worker runs any more."""
    host = ServerHost(name=SERVER, connection={"ansible_connection": "local"}, layout=layout)
    play_here(playbook, {}, inventory=build_inventory([host]), seconds=_STOP_TIMEOUT_SECONDS)


def take_out_of_service(server_id: int) -> None:
    """Let no run begin on the server any more; raises ConflictError while one is at work."""
    with transaction() as session:
        server = session.get_one(Server, server_id, with_for_update=True)
        abandonment.end_runs(session, server, _REMOVED)
        server.state = ServerState.ENROLLED


def forget_server(server_id: int) -> None:
    """Take the demonstration out of the registry; the audit trail stays."""
    with transaction() as session:
        run_ids = select(Target.run_id).where(Target.server_id == server_id).distinct()
        gone = list(session.scalars(run_ids))
        target_ids = select(Target.id).where(Target.run_id.in_(gone))
        session.execute(delete(Step).where(Step.target_id.in_(target_ids)))
        session.execute(delete(Target).where(Target.run_id.in_(gone)))
        session.execute(delete(LogChunk).where(LogChunk.run_id.in_(gone)))
        session.execute(delete(RunLock).where(RunLock.run_id.in_(gone)))
        session.execute(delete(Run).where(Run.id.in_(gone)))
        session.execute(delete(Site).where(Site.server_id == server_id))
        session.execute(delete(Server).where(Server.id == server_id))
        demo_places.forget()
        settings.forget(settings.REQUIRE_TOTP_FOR_ADMINS, put_by=ACTOR)
        audit.record("demo.remove", SERVER, by=ACTOR)

"""A registry with years of work in it: villages, their sites, and every run they had."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import cycle, islice
from typing import Any, TypeVar

from sqlalchemy import func, insert, select, update

from bench import surroundings
from bench.villages import REGENCY
from siappakai.domain.states import RunState, ServerState, SiteState, StepState
from siappakai.models import District, Release, Run, Server, Site, Step, Target, Village, utc_now
from siappakai.models.transactions import transaction
from siappakai.services import places

T = TypeVar("T")

BY = "bench"
_SERVERS = 20
_DISTRICTS = 40
# One in so many targets failed, and one in so many sites is ill.
_FAILING = 50
_BATCH = 5000
_STEPS = ("check", "account", "folder", "database", "load", "pool", "vhost", "health")


@dataclass(frozen=True, slots=True)
class Size:
    """How much there is. Half of the targets come from updates of the whole fleet."""

    villages: int
    runs: int
    targets: int


def fill(size: Size) -> dict[str, Any]:
    """Fill an empty registry; return an id of each noun, as the panel's addresses name them.

    `run_id` is a queued run over all sites of one server, `ended_run_id` the last that ended.
    """
    places.set_regency(code=REGENCY[0], name=REGENCY[1], province_name=REGENCY[2], by=BY)
    with transaction() as session:
        servers, release = _servers(), _release()
        session.add_all([*_districts(), *servers, release])
        session.flush()
        session.execute(insert(Village), list(_villages(size.villages)))
        villages = session.execute(select(Village.id, Village.code, Village.name)).all()
        session.execute(insert(Site), list(_sites(villages, servers, release.id)))
    with transaction() as session:
        query = select(Site.id, Site.server_id, Site.domain).order_by(Site.server_id, Site.id)
        sites = [tuple(row) for row in session.execute(query)]
        for rows in _batches(_history(size, sites)):
            session.execute(insert(Run), [run for run, _ in rows])
            for some in _batches(one for _, targets in rows for one in targets):
                session.execute(insert(Target), some)
        _steps_of_last(session)
        live = _queued(session, [site for site in sites if site[1] == servers[0].id])
        _follow(session)
    return {
        "run_id": live,
        "ended_run_id": live - 1,
        "server_id": servers[0].id,
        "code": villages[0].code,
        **surroundings.fill(live - 1),
    }


def _servers() -> list[Server]:
    facts = {"cpus": 8, "memory_bytes": 32 << 30, "disk_bytes": 1 << 40, "disk_free_bytes": 1 << 39}
    return [
        Server(
            name=f"Server {number}",
            address=f"10.10.{number}.2",
            user="siappakai",
            state=ServerState.READY,
            facts=facts,
            parallelism=4,
        )
        for number in range(1, _SERVERS + 1)
    ]


def _release() -> Release:
    return Release(
        app="opensid",
        version="v2410.0.0",
        commit="0" * 40,
        source="bench",
        schema_version="2024100171",
        php_versions=["8.2"],
    )


def _districts() -> list[District]:
    codes = (f"{REGENCY[0]}{number:02}" for number in range(1, _DISTRICTS + 1))
    return [District(code=code, name=f"Kec {code}", regency_code=REGENCY[0]) for code in codes]


def _villages(count: int) -> Iterator[dict[str, Any]]:
    for place in range(count):
        district = f"{REGENCY[0]}{1 + place % _DISTRICTS:02}"
        code = f"{district}{2001 + place // _DISTRICTS:04}"
        yield {"code": code, "name": f"Desa {place + 1}", "district_code": district}


def _sites(
    villages: Sequence[Any], servers: Sequence[Server], release_id: int
) -> Iterator[dict[str, Any]]:
    for number, (village, server) in enumerate(zip(villages, cycle(servers), strict=False), 1):
        ill = number % _FAILING == 0
        yield {
            "village_id": village.id,
            "server_id": server.id,
            "domain": f"d{village.code}.desa.id",
            "state": SiteState.BROKEN if ill else SiteState.ACTIVE,
            "release_id": release_id,
            "wanted_release_id": release_id,
        }


def _history(
    size: Size, sites: Sequence[tuple[Any, ...]]
) -> Iterator[tuple[dict[str, Any], list[dict[str, Any]]]]:
    """Yield ended runs with their targets, oldest first."""
    began = utc_now() - timedelta(days=3 * 365)
    apart = timedelta(days=3 * 365) / size.runs
    shares = islice(_shares(size, sites), size.runs)
    for number, chosen in enumerate(shares, 1):
        at = began + number * apart
        targets = [_target(number, site, place, at) for place, site in enumerate(chosen)]
        failed = any(target["state"] is RunState.FAILED for target in targets)
        yield (
            {
                "id": number,
                "play": "install" if len(chosen) > 1 else "check",
                "server_id": chosen[0][1],
                "state": RunState.FAILED if failed else RunState.SUCCEEDED,
                "requested_by": BY,
                "created_at": at,
                "started_at": at,
                "ended_at": at + timedelta(minutes=5),
            },
            targets,
        )


def _shares(size: Size, sites: Sequence[tuple[Any, ...]]) -> Iterator[Sequence[tuple[Any, ...]]]:
    """Yield the sites of each run: whole servers in turn, small groups between them."""
    per_server = [
        [site for site in sites if site[1] == server] for server in sorted({s[1] for s in sites})
    ]
    whole = cycle(per_server)
    large = size.targets // 2 // len(per_server[0])
    small = round((size.targets - large * len(per_server[0])) / (size.runs - large))
    every = size.runs // large
    start = 0
    for number in range(size.runs):
        if number % every == 0 and number // every < large:
            yield next(whole)
            continue
        start = (start + small) % (len(sites) - small)
        yield sites[start : start + small]


def _target(run_id: int, site: tuple[Any, ...], place: int, at: Any) -> dict[str, Any]:
    failed = (run_id + place) % _FAILING == 0
    return {
        "run_id": run_id,
        "server_id": site[1],
        "site_id": site[0],
        "host": f"opensid-{site[2][1:11]}",
        "label": f"Desa · {site[2]}",
        "state": RunState.FAILED if failed else RunState.SUCCEEDED,
        "error": {"code": "unhealthy", "params": {"checks": "home: 500"}} if failed else {},
        "started_at": at,
        "ended_at": at + timedelta(seconds=40),
    }


def _steps_of_last(session: Any) -> None:
    """Give the targets of the last hundred runs their steps; older ones were pruned."""
    last = select(Run.id).order_by(Run.id.desc()).limit(100)
    ids = session.scalars(select(Target.id).where(Target.run_id.in_(last))).all()
    rows = (
        {"target_id": one, "name": name, "state": StepState.OK, "seconds": 0.4}
        for one in ids
        for name in _STEPS
    )
    for some in _batches(rows):
        session.execute(insert(Step), some)


def _follow(session: Any) -> None:
    """Mark what is not the newest of its site, as the program does when it writes a run down."""
    newest = select(func.max(Target.id)).group_by(Target.site_id)
    session.execute(update(Target).where(Target.id.not_in(newest)).values(followed=True))


def _queued(session: Any, sites: Sequence[tuple[Any, ...]]) -> int:
    run = Run(play="install", state=RunState.QUEUED, requested_by=BY, server_id=sites[0][1])
    session.add(run)
    session.flush()
    session.add_all(
        Target(
            run_id=run.id,
            server_id=site[1],
            site_id=site[0],
            host=f"opensid-{site[2][1:11]}",
            label=f"Desa · {site[2]}",
        )
        for site in sites
    )
    return run.id


def _batches(rows: Iterable[T]) -> Iterator[list[T]]:
    source = iter(rows)
    while some := list(islice(source, _BATCH)):
        yield some

"""Is this installation well? What the panel and `siappakai doctor` show, and what to mend."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import urlsplit

from sqlalchemy.exc import DBAPIError

from siappakai import dispatch
from siappakai.models import db, registry_now
from siappakai.models.app import current_settings
from siappakai.models.migrating import registry_revisions
from siappakai.services import machine_checks, own_certificate, recovery_checks, rounds, servers
from siappakai.services.checks import Check, judged

# Its round is short; what it looks at may keep it waiting for a network that does not answer.
_LOOKOUT_SECONDS: Final = 120
# One may be late behind the settling of lost runs; three in a row are not.
_TICKS_MISSED: Final = 3
_GIB: Final = 1024**3


def checkup() -> list[Check]:
    """Look at everything this installation needs; nothing is changed.

    What needs the registry or the queue is left out while that does not answer.
    """
    registry, queue = _registry(), _queue()
    checks = [*machine_checks.look(), registry, queue]
    if registry.ok:
        checks += [machine_checks.look_at_key_file(), _clock(), look_at_lookout()]
        checks += [_server_clocks(), _server_disks()]
        checks += recovery_checks.look()
    if own_certificate.is_used():
        checks.append(machine_checks.look_at_certificate())
    if queue.ok:
        checks.append(_workers())
    return checks


def readiness() -> list[Check]:
    """Look at what it takes to answer people and to play runs: registry, queue, clock.

    Quick, for a load balancer that asks every few seconds. The clock is left out while the
    registry does not answer.
    """
    registry, queue = _registry(), _queue()
    return [registry, queue, _clock()] if registry.ok else [registry, queue]


def _queue() -> Check:
    settings = current_settings()
    ok = dispatch.is_reachable(settings)
    where = urlsplit(settings.queue_url)
    return judged(
        "queue",
        ok=ok,
        # A password may stand in the URL; host and path may not.
        detail=f"Redis {'menjawab' if ok else 'tidak menjawab'}: {where.hostname or where.path}",
        todo="Jalankan layanan Redis, atau make run; periksa redis_url.",
    )


def _registry() -> Check:
    try:
        present, head = registry_revisions()
    except DBAPIError as error:
        return Check("registry", False, str(error.orig), "Periksa database_url dan layanannya.")  # noqa: FBT003 - ok
    return judged(
        "registry",
        ok=present == head,
        detail=f"revisi {present or 'belum ada'}, terbaru {head}",
        todo="Jalankan: siappakai registry upgrade.",
    )


def _clock() -> Check:
    last = rounds.last_tick_at()
    settings = current_settings()
    age = (registry_now(db.session()) - last).total_seconds() if last else math.inf
    return judged(
        "clock",
        ok=age <= _TICKS_MISSED * settings.tick_seconds,
        detail=f"berdetak terakhir {age:.0f} detik lalu" if last else "belum pernah berdetak",
        todo="Jalankan jam dan pekerjanya (make run atau layanannya); lihat "
        f"{settings.state}/log/clock.log dan clock-worker.log.",
    )


def look_at_lookout() -> Check:
    """Tell whether somebody looks out for what goes wrong."""
    last = rounds.last_lookout_at()
    age = (registry_now(db.session()) - last).total_seconds() if last else math.inf
    return judged(
        "lookout",
        ok=age <= _LOOKOUT_SECONDS,
        detail=f"berjaga terakhir {age:.0f} detik lalu" if last else "belum pernah berjaga",
        todo="Jalankan penjaga peringatan (make run atau layanannya): tanpa dia tidak ada "
        f"peringatan; lihat {current_settings().state}/log/lookout.log.",
    )


def _workers() -> Check:
    counts = dispatch.worker_counts(current_settings())
    return judged(
        "workers",
        ok=all(counts.values()),
        detail=", ".join(f"{queue}: {count}" for queue, count in counts.items()),
        todo="Jalankan pekerja antrean yang nol (make run atau layanannya).",
    )


def _server_clocks() -> Check:
    limit = current_settings().server_max_skew_seconds
    return _about_servers(
        "server_clocks",
        lambda facts: (
            f"{facts['skew_seconds']} detik" if abs(facts["skew_seconds"]) > limit else ""
        ),
        todo="Nyalakan sinkronisasi waktu (NTP) di server itu, lalu: siappakai server probe NAMA.",
    )


def _server_disks() -> Check:
    least = current_settings().server_min_free_bytes
    return _about_servers(
        "server_disks",
        lambda facts: (
            f"{facts['disk_free_bytes'] / _GIB:.1f} GiB kosong"
            if facts["disk_free_bytes"] < least
            else ""
        ),
        todo="Kosongkan atau perbesar disk server itu, lalu: siappakai server probe NAMA.",
    )


def _about_servers(name: str, problem: Callable[[dict[str, Any]], str], *, todo: str) -> Check:
    """Judge all servers by the facts of their last probe."""
    probed = [server for server in servers.list_servers() if server.facts]
    found = {server.name: problem(server.facts) for server in probed}
    problems = [f"{server}: {text}" for server, text in found.items() if text]
    return judged(
        name,
        ok=not problems,
        detail="; ".join(problems) or f"{len(probed)} server baik",
        todo=todo,
    )

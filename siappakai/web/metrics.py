"""What Prometheus scrapes: read from registry and queue at each scrape.

The panel has several processes; nothing is counted in the memory of one.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from importlib.metadata import version
from typing import Final, TypeVar

from flask import Blueprint
from flask.typing import ResponseReturnValue
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeHistogramMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector

from siappakai import dispatch
from siappakai.domain.states import ServerState
from siappakai.errors import UnreachableError
from siappakai.models import db, registry_now
from siappakai.models.app import current_settings
from siappakai.services import metrics, rounds, servers, settings

blueprint = Blueprint("metrics", __name__)

_BUCKETS: Final = (5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 7200.0, 14400.0)
_HOURS: Final = int(metrics.WINDOW.total_seconds() // 3600)

Key = TypeVar("Key", bound=str)


@blueprint.get("/metrics")
def show() -> ResponseReturnValue:
    registry = CollectorRegistry()
    registry.register(FleetCollector())
    return generate_latest(registry), 200, {"Content-Type": CONTENT_TYPE_PLAIN_0_0_4}


class FleetCollector(Collector):
    """Everything measured, by the registry's own time; asks the registry when collected."""

    def collect(self) -> Iterator[Metric]:
        now = registry_now(db.session())
        yield from _installation(now)
        yield from _queue()
        yield from _runs(now)
        yield from _fleet()
        yield from _servers(now)


def _installation(now: datetime) -> Iterator[Metric]:
    info = {version("siappakai"): 1}
    yield _per("version", info, "siappakai_info", "The program's version, always 1")
    yield _one("siappakai_draining", "1 while the fleet is drained", settings.is_draining())
    yield _one(
        "siappakai_clock_tick_age_seconds",
        "Since the clock last ticked; +Inf before the first tick",
        _age(now, rounds.last_tick_at()),
    )
    yield _one(
        "siappakai_lookout_age_seconds",
        "Since the lookout last went round; +Inf before its first round",
        _age(now, rounds.last_lookout_at()),
    )


def _queue() -> Iterator[Metric]:
    name, text = "siappakai_queue_up", "1 when Redis answers"
    try:
        waiting = dispatch.waiting_jobs(current_settings())
        workers = dispatch.worker_counts(current_settings())
    except UnreachableError:
        yield _one(name, text, 0)
        return
    yield _one(name, text, 1)
    jobs = {queue: found.jobs for queue, found in waiting.items()}
    yield _per("queue", jobs, "siappakai_queue_jobs", "Jobs that wait in a queue")
    ages = {queue: found.oldest_seconds for queue, found in waiting.items()}
    text = "Since the oldest waiting job of a queue was put there; 0 when none waits"
    yield _per("queue", ages, "siappakai_queue_oldest_job_age_seconds", text)
    yield _per("queue", workers, "siappakai_workers", "Workers alive that serve a queue")


def _runs(now: datetime) -> Iterator[Metric]:
    which = f"all open ones, and those that ended within {_HOURS} hours"
    yield _per("state", metrics.count_runs(now), "siappakai_runs", f"Runs by state: {which}")
    text = f"Targets by their own state, of these runs: {which}"
    yield _per("state", metrics.count_targets(now), "siappakai_targets", text)
    yield _durations(metrics.durations(now))
    yield _one(
        "siappakai_oldest_queued_run_age_seconds",
        "Since the oldest queued run was asked for; 0 when none waits",
        metrics.oldest_queued_seconds(now),
    )
    ages = metrics.lease_ages(now)
    yield _one(
        "siappakai_oldest_lease_age_seconds",
        "Since a running run's worker last gave a sign of life, the longest; 0 when none runs",
        max(ages, default=0),
    )
    yield _one(
        "siappakai_expired_leases",
        "Running runs whose worker gave no sign of life for a whole lease",
        sum(age > current_settings().lease_seconds for age in ages),
    )


def _durations(found: Mapping[str, Sequence[float]]) -> Metric:
    family = GaugeHistogramMetricFamily(
        "siappakai_run_duration_seconds",
        f"How long runs took that ended within {_HOURS} hours, by play",
        labels=["play"],
    )
    for play, seconds in sorted(found.items()):
        family.add_metric([play], _cumulated(seconds), gsum_value=sum(seconds))
    return family


def _cumulated(seconds: Sequence[float]) -> list[tuple[str, float]]:
    ordered = sorted(seconds)
    within = [(str(bound), float(bisect_right(ordered, bound))) for bound in _BUCKETS]
    return [*within, ("+Inf", float(len(ordered)))]


def _fleet() -> Iterator[Metric]:
    yield _one("siappakai_villages", "Villages in the registry", metrics.count_villages())
    sites = GaugeMetricFamily(
        "siappakai_sites",
        "Sites by the release they serve (empty: none yet) and state",
        labels=["release", "state"],
    )
    for labels, count in metrics.count_sites().items():
        sites.add_metric(labels, count)
    yield sites


def _servers(now: datetime) -> Iterator[Metric]:
    known = servers.list_servers()
    found = Counter(server.state for server in known)
    states = {state: found[state] for state in ServerState if state is not ServerState.FORGOTTEN}
    yield _per("state", states, "siappakai_servers", "Servers by state")
    silent = {server.name: float(server.silent_since is not None) for server in known}
    text = "1 while the panel cannot get into a server"
    yield _per("server", silent, "siappakai_server_silent", text)
    probed = [server for server in known if server.facts]
    ages = {server.name: _age(now, server.probed_at) for server in probed}
    text = "Since a server was last looked at"
    yield _per("server", ages, "siappakai_server_probe_age_seconds", text)
    free = {server.name: server.facts["disk_free_bytes"] for server in probed}
    text = "Free disk of a server when it was last looked at"
    yield _per("server", free, "siappakai_server_disk_free_bytes", text)
    sizes = {server.name: server.facts["disk_bytes"] for server in probed}
    yield _per("server", sizes, "siappakai_server_disk_bytes", "Size of a server's disk")


def _one(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=value)


def _per(label: str, found: Mapping[Key, float], name: str, text: str) -> Metric:
    family = GaugeMetricFamily(name, text, labels=[label])
    for key, value in found.items():
        family.add_metric([key], value)
    return family


def _age(now: datetime, since: datetime | None) -> float:
    return max((now - since).total_seconds(), 0.0) if since is not None else math.inf

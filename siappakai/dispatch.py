"""The doorbell: tells RQ workers that a run waits. The registry is the truth, Redis is not.

Jobs are dotted names with ids, serialised as JSON (RQ's default, pickle, would execute code
for whoever reaches Redis). A lost or doubled ring does no harm: the worker claims the run by
compare-and-set, and the clock rings again for what still waits.
"""

from __future__ import annotations

import logging
import secrets
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from types import FrameType

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry
from rq import Queue, Worker
from rq.job import Job
from rq.serializers import JSONSerializer

from siappakai.config import Settings
from siappakai.errors import UnreachableError
from siappakai.wording import say

RUNS = "runs"
# Lost runs to settle. A server that does not answer is waited for in vain: each run is a job
# of its own, so that neither the clock nor the others wait for it.
SETTLE = "settle"
CLOCK = "clock"
# What a worker serves, the first first. Those of runs help to settle when they are idle; one
# that settles alone never waits behind a long run.
SERVED = {RUNS: (RUNS, SETTLE), SETTLE: (SETTLE,), CLOCK: (CLOCK,)}

_EXECUTE = "siappakai.worker.execute"
_TICK = "siappakai.worker.tick"
_REGISTRY_BACKUP = "siappakai.worker.back_up_registry"
# RQ's own alarm must come after every timeout of ours, or it would raise inside pexpect.
_MARGIN_SECONDS = 600
_TICK_TIMEOUT_SECONDS = 600
# How long RQ remembers a job whose process died; the registry settles its run.
_FAILURE_SECONDS = 3600
# Who only looks is not kept waiting by a Redis that is stuck.
_LOOK_SECONDS = 2.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Waiting:
    """How many jobs wait in a queue, and for how many seconds the oldest has."""

    jobs: int
    oldest_seconds: float


def send(settings: Settings, run_id: int, queue: str = RUNS) -> None:
    """Ask a worker to execute a run, unless its job already waits.

    Raises UnreachableError when Redis does not answer; the run stays queued and the clock
    sends it again.
    """
    try:
        _enqueue(
            _queue(_connect(settings), queue),
            _EXECUTE,
            f"run-{run_id}",
            timeout=settings.run_timeout_seconds + _MARGIN_SECONDS,
            args=[run_id],
        )
    except RedisError as error:
        raise UnreachableError(
            say("Antrean (Redis) tidak menjawab."),
            say("Pekerjaan tetap tercatat dan dimulai begitu antrean hidup kembali."),
        ) from error


def send_registry_backup(settings: Settings) -> None:
    """Ask a worker to back up the registry; raises UnreachableError when Redis does not answer."""
    try:
        _enqueue(
            _queue(_connect(settings), RUNS),
            _REGISTRY_BACKUP,
            "registry-backup",
            timeout=settings.run_timeout_seconds,
            args=[],
        )
    except RedisError as error:
        raise UnreachableError(
            say("Antrean (Redis) tidak menjawab."), say("Periksa layanan Redis.")
        ) from error


def is_reachable(settings: Settings) -> bool:
    """Tell whether Redis answers, and soon."""
    try:
        with _looking(settings) as connection:
            return bool(connection.ping())
    except UnreachableError:
        return False


def worker_counts(settings: Settings) -> dict[str, int]:
    """Return how many workers serve each queue; raises UnreachableError without Redis.

    One that was killed still counts until its key in Redis expires, some minutes later.
    """
    with _looking(settings) as connection:
        return {name: Worker.count(queue=_queue(connection, name)) for name in SERVED}


def waiting_jobs(settings: Settings) -> dict[str, Waiting]:
    """Return what waits in each queue; raises UnreachableError without Redis."""
    with _looking(settings) as connection:
        return {name: _waiting(_queue(connection, name)) for name in SERVED}


def _waiting(queue: Queue) -> Waiting:
    first = queue.get_job_ids(0, 1)
    (job,) = Job.fetch_many(first, queue.connection, JSONSerializer) if first else (None,)
    # A job taken between the two questions no longer waits.
    since = job.enqueued_at if job is not None else None
    age = (datetime.now(UTC) - since).total_seconds() if since else 0.0
    return Waiting(queue.count, max(age, 0.0))


def work(settings: Settings, role: str) -> None:
    """Serve the queues of a role in this process until told to stop.

    Each job runs in a child of its own.
    """
    queues = [_queue(_connect(settings), name) for name in SERVED[role]]
    worker = Worker(queues, serializer=JSONSerializer)
    worker.work(with_scheduler=False, logging_level="WARNING")


def run_clock(settings: Settings) -> None:
    """Ring for a tick every `tick_seconds` until SIGTERM or SIGINT.

    RQ's own cron always pickles its jobs, which we do not accept; two clocks at once do no
    harm, since a tick already waiting is not queued twice and ticks are idempotent.
    """
    stopped = _stop_flag()
    while not stopped:
        try:
            queue = _queue(_connect(settings), CLOCK)
            _enqueue(queue, _TICK, "tick", timeout=_TICK_TIMEOUT_SECONDS, args=[])
        except RedisError as error:
            log.warning("clock: queue does not answer, trying again: %s", error)
        _sleep(settings.tick_seconds, stopped)


def _enqueue(queue: Queue, function: str, name: str, *, timeout: int, args: list[int]) -> None:
    """Queue a job unless one of this name waits already.

    Each has an id of its own: a job that ends deletes what is stored under its id, which must
    not be the one that was rung for meanwhile.
    """
    if any(job_id.rpartition("_")[0] == name for job_id in queue.job_ids):
        return
    queue.enqueue(
        function,
        args=args,
        job_id=f"{name}_{secrets.token_hex(4)}",
        job_timeout=timeout,
        result_ttl=0,
        failure_ttl=_FAILURE_SECONDS,
    )


def _queue(connection: Redis, name: str) -> Queue:
    return Queue(name, connection=connection, serializer=JSONSerializer)


def _connect(settings: Settings) -> Redis:
    return Redis.from_url(settings.queue_url, socket_connect_timeout=5)


@contextmanager
def _looking(settings: Settings) -> Iterator[Redis]:
    """Ask Redis something, once and briefly; raises UnreachableError when it does not answer."""
    try:
        with Redis.from_url(
            settings.queue_url,
            socket_connect_timeout=_LOOK_SECONDS,
            socket_timeout=_LOOK_SECONDS,
            retry=Retry(NoBackoff(), 0),
        ) as connection:
            yield connection
    except RedisError as error:
        raise UnreachableError(
            say("Antrean (Redis) tidak menjawab."), say("Periksa layanan Redis.")
        ) from error


def _stop_flag() -> list[int]:
    stopped: list[int] = []

    def stop(number: int, _frame: FrameType | None) -> None:
        stopped.append(number)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    return stopped


def _sleep(seconds: float, stopped: list[int]) -> None:
    until = time.monotonic() + seconds
    while not stopped and time.monotonic() < until:
        time.sleep(min(0.5, seconds))

"""A run at work, as the panel sees it: steps, reports and log lines at the pace of a fleet.

`python -m bench.events RUN` claims the queued run and records events, as Ansible would send them,
until it is killed. Once every site was reported it forgets their steps and begins anew with the
first: no real run reports a site twice.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from typing import Any

from sqlalchemy import delete

from siappakai.config import Settings
from siappakai.models import Run, Step, db
from siappakai.models.app import registry_app
from siappakai.models.transactions import transaction
from siappakai.services import leases
from siappakai.services.recorder import Recorder

# What 20 servers at work together report: a site every 50 ms.
_EVERY_SECONDS = 0.05
_STEPS = ("check", "account", "folder", "database", "load", "pool", "vhost")
_LINES = 10


def main() -> None:
    run_id = int(sys.argv[1])
    with registry_app(Settings()).app_context():
        lease = leases.claim(run_id)
        if lease is None:
            sys.exit(f"run {run_id} cannot be claimed")
        with leases.heartbeat(lease) as tenure:
            run = db.session.get_one(Run, run_id)
            recorder = Recorder(run, tenure)
            targets = {target.host: target.id for target in run.targets}
            server = f"server-{run.targets[0].server_id}"
            db.session.commit()
            while True:
                for event in _events(server, targets):
                    recorder.on_event(event)
                    time.sleep(_EVERY_SECONDS)
                _begin_anew(targets.values())


def _begin_anew(targets: Iterable[int]) -> None:
    with transaction() as session:
        session.execute(delete(Step).where(Step.target_id.in_(targets)))


def _events(server: str, hosts: Iterable[str]) -> Iterator[dict[str, Any]]:
    data = {"host": server, "task": "Install the sites", "task_action": "site_install"}
    yield {"event": "runner_on_start", "event_data": data, "stdout": ""}
    steps = [{"name": name, "seconds": 0.1, "changed": True} for name in _STEPS]
    for host in hosts:
        result = {"installed": {host: {"failed": False, "steps": steps}}}
        lines = "\r\n".join(f"ok: [{host}] line {number}" for number in range(_LINES))
        item = {**data, "res": result}
        yield {"event": "runner_item_on_ok", "event_data": item, "stdout": lines}


if __name__ == "__main__":
    main()

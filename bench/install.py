"""Installing villages: ours, from the command to the last health check, against a plain script.

`make bench NAME=install`; with SIAPPAKAI_BENCH_OPENSID_REPO=path on the real OpenSID. What is
measured, and what was seen, is told in docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import json
import os
from statistics import median

from bench.floor import Floor
from bench.installation import REPOSITORY, VERSION, Panel, panel
from bench.villages import BenchVillage, villages


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.install", description=__doc__)
    parser.add_argument("--villages", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    chosen = villages(asked.villages)
    with panel() as one:
        layout = one.prepare()
        warm_up(one, chosen)
        floor = Floor(one.settings.state / "floor", layout, VERSION, chosen)
        pairs = [_round(one, floor, chosen) for _ in range(asked.rounds)]
    _report(len(chosen), pairs)


def warm_up(one: Panel, chosen: list[BenchVillage]) -> None:
    """Install and remove one village: release and golden snapshot lie on the server then."""
    one.plan(chosen[:1])
    one.install()
    one.remove()


def _round(one: Panel, floor: Floor, chosen: list[BenchVillage]) -> tuple[float, float]:
    floor_seconds = floor.install()
    floor.remove()
    one.plan(chosen)
    seconds = one.install()
    one.remove()
    print(f"ours {seconds:6.1f} s   floor {floor_seconds:6.1f} s   load {os.getloadavg()[0]:.1f}")
    return seconds, floor_seconds


def _report(count: int, pairs: list[tuple[float, float]]) -> None:
    ours, floor = (median(column) for column in zip(*pairs, strict=True))
    overhead = (ours - floor) / count
    print(f"\n{'':8}{'median s':>10}{'per village':>13}")
    for name, seconds in (("ours", ours), ("floor", floor), ("overhead", ours - floor)):
        print(f"{name:8}{seconds:10.1f}{seconds / count:13.2f}")
    result = {
        "bench": "install",
        "villages": count,
        "ours_s": round(ours, 2),
        "floor_s": round(floor, 2),
        "ratio": round(ours / floor, 2),
        "overhead_s_per_village": round(overhead, 3),
        "app": "opensid" if REPOSITORY in os.environ else "stand-in",
        "rounds": len(pairs),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()

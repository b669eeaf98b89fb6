"""All villages of a regency in one unattended run: how long, and how much memory.

`make bench NAME=install133`.
"""

from __future__ import annotations

import argparse
import json
import os

from bench.install import warm_up
from bench.installation import REPOSITORY, panel
from bench.memory import peaks
from bench.villages import villages


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.install133", description=__doc__)
    parser.add_argument("--villages", type=int, default=133)
    chosen = villages(parser.parse_args().villages)
    with panel() as one:
        one.prepare()
        warm_up(one, chosen)
        one.plan(chosen)
        with peaks(one.pid) as seen:
            seconds = one.install()
    for group, megabytes in seen.items():
        print(f"{group:12}{megabytes:8.1f} MB")
    result = {
        "bench": "install133",
        "villages": len(chosen),
        "total_s": round(seconds, 1),
        "s_per_village": round(seconds / len(chosen), 2),
        "peak_rss_mb": dict(seen),
        "app": "opensid" if REPOSITORY in os.environ else "stand-in",
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()

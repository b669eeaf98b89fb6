"""The one way a module runs another program and waits for it."""

from __future__ import annotations

import subprocess


def run(*argv: str) -> bytes:
    """Run a program to its end and return what it wrote; raises CalledProcessError."""
    done = subprocess.run(  # noqa: S603 - an argv list, no shell; the callers' programs are fixed
        argv, check=True, capture_output=True, stdin=subprocess.DEVNULL
    )
    return done.stdout

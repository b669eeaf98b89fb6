"""Looking at a machine before and after it is enrolled."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

from cryptography import x509

from siappakai.domain.servers import (
    OLDEST_PYTHON,
    Facts,
    MissingSudoError,
    PythonMissingError,
    Shell,
    check_facts,
    find_warnings,
)
from siappakai.errors import UnreachableError
from siappakai.models.app import current_settings
from siappakai.wording import say

_PYTHON = "/usr/bin/python3"
_WHO = "import os, sys; print(os.getuid(), *sys.version_info[:2])"
_SCRIPT = files("siappakai.services").joinpath("probe_script.py")


def look_at(
    shell: Shell,
    *,
    root: str,
    web_ports: tuple[int, ...],
    certificates: Sequence[str] = (),
    is_enrolled: bool = False,
) -> dict[str, Any]:
    """Return the facts of a machine, with `warnings` and `skew_seconds`, fit for the registry.

    `certificates` are paths of certificate files over there; the facts tell until when each
    holds. A machine that serves already (`is_enrolled`) is not refused for what became of it:
    its full disk is what people must see.

    Raises PythonMissingError, MissingSudoError, UnsupportedSystemError, DiskTooSmallError,
    or UnreachableError when the probe breaks off.
    """
    settings = current_settings()
    rights = _rights(shell)
    before = time.time()
    argv = [*rights, _PYTHON, "-I", "-", root, *certificates]
    answer = shell.run(argv, stdin=_SCRIPT.read_text())
    after = time.time()
    if answer.code != 0:
        raise UnreachableError(
            say("Pemeriksaan server berhenti: %(error)s", error=answer.error.strip()[-300:]),
            say("Coba sekali lagi."),
        )
    seen = json.loads(answer.output)
    facts = Facts.from_dict(seen)
    if not is_enrolled:
        check_facts(facts, min_free_bytes=settings.server_min_free_bytes)
    skew = _skew(facts.clock, before, after)
    warnings = find_warnings(
        facts,
        skew_seconds=skew,
        max_skew_seconds=settings.server_max_skew_seconds,
        web_ports=web_ports,
    )
    return {
        **facts.as_dict(),
        "suggested_php": list(facts.suggested_php),
        "skew_seconds": round(skew, 1),
        "warnings": warnings,
        "certificates": {path: _expiry(pem) for path, pem in seen["certificates"].items()},
    }


def _expiry(pem: str) -> str:
    """Return until when a certificate holds (ISO 8601); empty for what is none."""
    try:
        return x509.load_pem_x509_certificate(pem.encode()).not_valid_after_utc.isoformat()
    except ValueError:
        return ""


def _rights(shell: Shell) -> list[str]:
    """Return what turns a command into root's; raises when Python or sudo is missing."""
    answer = shell.run([_PYTHON, "-I", "-c", _WHO])
    if answer.code != 0:
        raise _python_missing(say("Python 3 tidak ada di server."))
    uid, *version = (int(word) for word in answer.output.split())
    if tuple(version) < OLDEST_PYTHON:
        raise _python_missing(
            say("Python server terlalu tua: %(version)s.", version=".".join(map(str, version)))
        )
    if uid == 0:
        return []
    if shell.run(["sudo", "-n", "true"]).code != 0:
        raise MissingSudoError(
            say("Akun itu tidak dapat menjadi root dengan sudo tanpa kata sandi."),
            say(
                "Sebagai root di server: pasang sudo, lalu isi /etc/sudoers.d/siappakai dengan "
                "“NAMA_AKUN ALL=(ALL) NOPASSWD: ALL”."
            ),
        )
    return ["sudo", "-n"]


def _python_missing(what: str) -> PythonMissingError:
    oldest = ".".join(map(str, OLDEST_PYTHON))
    return PythonMissingError(
        what,
        say("Sebagai root di server: apt install python3 (sedikitnya %(oldest)s).", oldest=oldest),
    )


def _skew(clock: float, before: float, after: float) -> float:
    """Return how far `clock`, read between the two times, must be off; 0 when it need not be."""
    return min(0.0, clock - before) + max(0.0, clock - after)

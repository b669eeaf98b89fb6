"""Commands on the machine this program runs on, for when it is a server itself."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

from siappakai.domain.servers import Answer
from siappakai.errors import UnreachableError
from siappakai.wording import say

# Not the caller's: a program of ours is looked for where the system keeps programs.
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_NOT_FOUND = 127


class LocalMachine:
    """Runs commands right here. `timeout` (seconds) is how long each may take."""

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout

    def run(self, argv: Sequence[str], *, stdin: str = "") -> Answer:
        """Run `argv` and return how it ended; raises UnreachableError when it takes too long."""
        try:
            done = subprocess.run(
                list(argv),
                input=stdin,
                capture_output=True,
                text=True,
                check=False,
                timeout=self._timeout,
                env={"PATH": _PATH, "LC_ALL": "C.UTF-8"},
            )
        except FileNotFoundError:
            return Answer(_NOT_FOUND, "", f"{argv[0]}: not found")
        except subprocess.TimeoutExpired:
            raise UnreachableError(
                say("Mesin ini tidak menjawab dalam batas waktu."),
                say("Periksa bebannya, lalu coba lagi."),
            ) from None
        return Answer(done.returncode, done.stdout, done.stderr)

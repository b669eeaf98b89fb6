"""A PHP-FPM master that reloads becomes its own new program; that is not its end."""

import os
import subprocess
import sys

from playbooks.module_utils.reloading import _has_ended

# Becomes another program under the same process id, and says so.
_RENEWED = "import os; os.execv('/bin/sh', ['sh', '-c', 'echo ready; exec cat'])"


def test_a_process_that_became_another_program_has_not_ended() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _RENEWED], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        assert not _has_ended(process.pid)


def test_a_dead_process_has_ended_before_and_after_its_parent_takes_note() -> None:
    process = subprocess.Popen(["/bin/true"])
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert _has_ended(process.pid)
    process.wait()
    assert _has_ended(process.pid)

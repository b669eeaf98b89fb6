from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

from siappakai.domain.servers import Facts
from siappakai.services import probe_script

TCP = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:0CEA 00000000:0000 0A 00000000:00000000 00:00000000 00000000   105        0 21 1 0
   1: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 22 1 0
   2: 0100007F:0016 0100007F:C350 01 00000000:00000000 00:00000000 00000000     0        0 23 1 0
"""
TCP6 = """\
  sl  local_address                         remote_address                        st
 0: 00000000000000000000000001000000:0050 00000000000000000000000000000000:0000 0A 0:0 0:0 0 0 0 24
"""
DPKG = """\
Package: mariadb-server
Status: install ok installed
Version: 1:10.11.19-0+deb12u1
Description: server
 with: a line more

Package: php8.2-fpm
Status: deinstall ok config-files
Version: 8.2.1
"""


@pytest.mark.skipif(sys.byteorder != "little", reason="the sample is of a little-endian machine")
def test_listeners_are_read_with_their_processes() -> None:
    owners = {"21": "mariadbd", "22": "sshd", "24": "nginx"}
    assert probe_script.listeners([TCP, TCP6, ""], owners) == [
        {"address": "0.0.0.0", "port": 22, "process": "sshd"},  # noqa: S104 - seen, not bound
        {"address": "::1", "port": 80, "process": "nginx"},
        {"address": "127.0.0.1", "port": 3306, "process": "mariadbd"},
    ]


def test_only_installed_packages_count() -> None:
    assert probe_script.installed_packages(DPKG) == {"mariadb-server": "1:10.11.19-0+deb12u1"}


def test_a_file_that_is_gone_reads_as_empty(tmp_path: Path) -> None:
    assert probe_script.read(tmp_path / "gone") == ""


def test_the_script_prints_facts_of_this_machine_for_a_folder_that_is_not_there_yet() -> None:
    script = Path(probe_script.__file__).read_text()
    answer = subprocess.run(
        [sys.executable, "-I", "-", "/srv/none/at/all"],
        input=script,
        capture_output=True,
        check=True,
        text=True,
    )
    facts = Facts.from_dict(json.loads(answer.stdout))
    assert facts.cpus >= 1
    assert 0 < facts.memory_free_bytes <= facts.memory_bytes
    assert 0 < facts.disk_free_bytes <= facts.disk_bytes
    assert facts.python == sys.version.split()[0]


def test_the_script_is_python_3_9() -> None:
    ast.parse(Path(probe_script.__file__).read_text(), feature_version=(3, 9))

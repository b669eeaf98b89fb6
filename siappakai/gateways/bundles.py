"""The archive of a village's folder, as far as the panel must know it: the key of its data.

It comes from strangers. What reads it is a process of its own, with so much memory and time.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Final

from siappakai.errors import InvalidInputError
from siappakai.wording import say

_READER: Final = Path(__file__).with_name("bundle_key.py").resolve()
_MEMORY: Final = 1 << 30
_SECONDS: Final = 3600
_OF_BACKUP: Final = "files/desa/app_key"
_LARGEST_KEY: Final = 1024


def app_key_of(archive: Path) -> str:
    """Return the application key in an archive of one village's folder.

    Raises InvalidInputError (field `files`) for what is no such archive.
    """
    limits = ["prlimit", f"--as={_MEMORY}", f"--cpu={_SECONDS}", "--core=0", "--"]
    reader = subprocess.run(
        [*limits, sys.executable, "-I", str(_READER), str(archive)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=2 * _SECONDS,
        env={"PATH": os.defpath, "LANG": "C.UTF-8"},
        cwd="/",
    )
    if reader.returncode:
        raise InvalidInputError(
            say("Arsip folder desa tidak dapat dibaca: rusak atau bukan arsip."),
            _TODO,
            field="files",
        )
    found = json.loads(reader.stdout)
    if len(found) != 1 or not found[0]:
        raise InvalidInputError(
            say("Di arsip itu ada %(count)s app_key, bukan satu.", count=len(found)),
            _TODO,
            field="files",
        )
    return str(found[0])


def app_key_in_backup(plain: Path) -> str:
    """Return the village's application key out of an opened backup of ours; empty without one."""
    with tarfile.open(plain, mode="r|") as archive:
        for entry in archive:
            content = archive.extractfile(entry) if entry.name == _OF_BACKUP else None
            if content is not None:
                return content.read(_LARGEST_KEY).decode(errors="replace").strip()
    return ""


_TODO: Final = say("Kemas folder desa/ satu desa seutuhnya sebagai zip, tar.gz atau tar.zst.")

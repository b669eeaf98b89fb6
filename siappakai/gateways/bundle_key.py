"""Prints, as JSON, the application keys in an archive of strangers; run apart (see bundles.py)."""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO

KEY = "app_key"
LARGEST_KEY = 1024
ZIP, ZSTD = b"PK\x03\x04", b"\x28\xb5\x2f\xfd"


def keys_in(archive: Path) -> list[str]:
    """Return the keys of folders called desa, or of all when none is called so."""
    found = {PurePosixPath(name).parent: key for name, key in _named(archive)}
    return [key for folder, key in found.items() if folder.name == "desa"] or [*found.values()]


def _named(archive: Path) -> Iterator[tuple[str, str]]:
    with archive.open("rb") as file:
        begin = file.read(len(ZIP))
    if begin == ZIP:
        with zipfile.ZipFile(archive) as zipped:
            for info in zipped.infolist():
                if PurePosixPath(info.filename).name == KEY:
                    with zipped.open(info) as content:
                        yield info.filename, _text(content)
    elif begin == ZSTD:
        argv = ["zstd", "-dcq", "--memory=256MB", "--", str(archive)]
        with (
            subprocess.Popen(argv, stdout=subprocess.PIPE) as unpacker,
            tarfile.open(fileobj=unpacker.stdout, mode="r|") as members,
        ):
            yield from _in_tar(members)
    else:
        with tarfile.open(archive, mode="r|*") as members:
            yield from _in_tar(members)


def _in_tar(members: tarfile.TarFile) -> Iterator[tuple[str, str]]:
    for member in members:
        content = members.extractfile(member) if member.isreg() else None
        if content is not None and PurePosixPath(member.name).name == KEY:
            yield member.name, _text(content)


def _text(content: IO[bytes]) -> str:
    return content.read(LARGEST_KEY).decode(errors="replace").strip()


if __name__ == "__main__":
    sys.stdout.write(json.dumps(keys_in(Path(sys.argv[1]))))

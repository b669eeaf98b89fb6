"""What the villages of the backup benchmark have: residents, uploads that do not shrink."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.villages import BenchVillage
from playbooks.module_utils.driver import connect
from siappakai.domain.naming import ServerLayout
from tests.shaped import Village, load

_PATTERN = "bench_pattern"
# A table that grows with the residents has more rows than this; the others are there already.
_FEW = 50


@dataclass(frozen=True)
class Size:
    """What each village has: residents, and so many megabytes of uploads in so many files."""

    residents: int
    megabytes: int
    files: int


def fill(layout: ServerLayout, chosen: Sequence[BenchVillage], size: Size) -> None:
    """Fill installed villages: rows shaped like OpenSID's beside its own tables, and uploads."""
    with closing(connect(layout.db_socket, "root", sql_mode="")) as link:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            load(link, _PATTERN, Village(1, size.residents))
        with link.cursor() as cursor:
            tables = _grown(cursor)
            for village in chosen:
                _copy(cursor, tables, f"{layout.prefix}_opensid_{village.code}")
            cursor.execute(f"DROP DATABASE `{_PATTERN}`")
        link.commit()
    for village in chosen:
        _upload(Path(layout.sites, f"opensid-{village.code}/desa/upload/bench"), size)


def _grown(cursor: Any) -> list[str]:
    cursor.execute(f"SHOW TABLES FROM `{_PATTERN}`")
    names = [name for (name,) in cursor.fetchall()]
    return [name for name in names if _rows(cursor, name) > _FEW]


def _rows(cursor: Any, table: str) -> int:
    cursor.execute(f"SELECT COUNT(*) FROM `{_PATTERN}`.`{table}`")  # noqa: S608 - names of our own
    (count,) = cursor.fetchone()
    return int(count)


def _copy(cursor: Any, tables: Sequence[str], database: str) -> None:
    for name in tables:
        target = f"`{database}`.`bench_{name}`"
        cursor.execute(f"CREATE TABLE {target} LIKE `{_PATTERN}`.`{name}`")
        cursor.execute(f"INSERT INTO {target} SELECT * FROM `{_PATTERN}`.`{name}`")  # noqa: S608 - names of our own


def _upload(folder: Path, size: Size) -> None:
    """Write noise, which no compression makes smaller, as the village's own account would own."""
    folder.mkdir()
    owner = folder.parent.stat()
    os.chown(folder, owner.st_uid, owner.st_gid)
    for number in range(size.files):
        path = folder / f"{number}.jpg"
        path.write_bytes(os.urandom((size.megabytes << 20) // size.files))
        os.chown(path, owner.st_uid, owner.st_gid)

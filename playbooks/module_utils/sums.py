"""What OpenKab shows of the whole regency, against the sum of what it shows of each village.

OpenKab joins aid by NIK and number of family card without asking whose they are: who stands in
two villages counts twice. Those differences are told one by one; there may be no others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .figures import ALIVE, BETWEEN, CATEGORIES, DEAD, category
from .schemas import quoted

try:
    from pymysql.cursors import SSCursor
except ModuleNotFoundError:  # driver.connect says so
    SSCursor = None  # type: ignore[assignment,misc]

if TYPE_CHECKING:
    from .driver import Link
    from .schemas import Table

_BATCH = 2000
_TOLD = 50
# Ages are counted on the day of each merge, events are the residents' own.
_NOT_SUMMED = frozenset({"umur", "peristiwa", "status_dasar", "bantuan"})
_TAKERS = {
    1: "tweb_penduduk p ON p.nik = s.peserta",
    2: "tweb_keluarga k ON k.no_kk = s.peserta"
    " JOIN {schema}.tweb_penduduk p ON p.id = k.nik_kepala",
}


def compare_sums(
    link: Link, schema: str, tables: Mapping[str, Table], entries: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Return what differs (name, sum of villages, regency) and what doubled numbers explain.

    `entries` are the book's. All of it is of the state that `link` is in.
    """
    expected = _sum(entries)
    merged = _regency(link, schema, tables)
    differs = [
        [name, expected[name], merged[name]]
        for name in sorted(expected.keys() | merged.keys())
        if expected[name] != merged[name]
    ]
    aid, explained = _compare_aid(link, schema, entries)
    return {
        "compared": len(expected.keys() | merged.keys()),
        "differs": (differs + aid)[:_TOLD],
        "explained": explained[:_TOLD],
    }


def _sum(entries: Sequence[Mapping[str, Any]]) -> Counter[str]:
    found: Counter[str] = Counter()
    for entry in entries:
        for name, count in entry["statistics"].items():
            if name.partition("/")[0] not in _NOT_SUMMED:
                found[name] += count
    return found


def _regency(link: Link, schema: str, tables: Mapping[str, Table]) -> Counter[str]:
    found: Counter[str] = Counter()
    columns = [one for one in CATEGORIES if one in tables["tweb_penduduk"].columns]
    kinds = tables["tweb_penduduk"].columns
    fields = ", ".join(
        f"COALESCE({category(kinds, name, 'p')}, 'None')" for name in ["sex", *columns]
    )
    with link.cursor(SSCursor) as cursor:
        cursor.execute(f"SELECT CONCAT_WS('{BETWEEN}', {fields}) FROM {_here(schema)}")
        while rows := cursor.fetchmany(_BATCH):
            for (text,) in rows:
                sex, *values = str(text).split(BETWEEN)
                found["penduduk"] += 1
                found[f"sex/{sex}"] += 1
                for name, value in zip(columns, values, strict=True):
                    found[f"{name}/{value}/{sex}"] += 1
    name = quoted(schema)
    counts = {
        "keluarga": f"{_here(schema, _headed(schema, 'tweb_keluarga', 'kk_level'))}",
        "rtm": f"{_here(schema, _headed(schema, 'tweb_rtm', 'rtm_level'))}",
        "artikel": f"{name}.artikel t WHERE t.config_id IS NOT NULL",
        "program": f"{name}.program t WHERE t.config_id IS NOT NULL",
    }
    for what, rows_of in counts.items():
        found[what] = _one(link, f"SELECT COUNT(*) FROM {rows_of}")
    visits = f"FROM {name}.sys_traffic t WHERE t.config_id IS NOT NULL"
    found["pengunjung"] = _one(link, f"SELECT COALESCE(SUM(t.Jumlah), 0) {visits}")
    return found


def _here(schema: str, join: str = "") -> str:
    """Return the residents `p` of all villages who live here, as OpenKab asks for them."""
    name = quoted(schema)
    return (
        f"{name}.tweb_penduduk p"
        f" JOIN (SELECT MAX(id) AS id, id_pend FROM {name}.log_penduduk GROUP BY id_pend) m"
        f" ON m.id_pend = p.id JOIN {name}.log_penduduk l ON l.id = m.id{join}"
        f" WHERE p.config_id IS NOT NULL AND p.status_dasar = {ALIVE}"
        f" AND l.kode_peristiwa <> {DEAD}"
    )


def _headed(schema: str, table: str, level: str) -> str:
    return (
        f" JOIN {quoted(schema)}.{quoted(table)} t"
        f" ON t.nik_kepala = p.id AND p.{level} = 1 AND t.config_id IS NOT NULL"
    )


def _compare_aid(
    link: Link, schema: str, entries: Sequence[Mapping[str, Any]]
) -> tuple[list[list[Any]], list[list[Any]]]:
    """Compare who receives aid, programme by programme."""
    expected = {
        f"bantuan/{aim}/{int(number) + entry['shift']}": count
        for entry in entries
        for name, count in entry["statistics"].items()
        if name.startswith("bantuan/")
        for aim, number in [name.split("/")[1:]]
    }
    differs, explained = [], []
    found = {name: told for aim in _TAKERS for name, told in _aided(link, schema, aim).items()}
    for name in sorted(expected.keys() | found.keys()):
        own, everywhere = found.get(name, (0, 0))
        if own != expected.get(name, 0):
            differs.append([name, expected.get(name, 0), own])
        if everywhere != own:
            explained.append([name, own, everywhere])
    return differs, explained


def _aided(link: Link, schema: str, aim: int) -> dict[str, tuple[int, int]]:
    """Return by programme how many of its own village receive aid, and how many OpenKab counts."""
    name = quoted(schema)
    takers = f"{name}.{_TAKERS[aim].format(schema=name)}"
    with link.cursor() as cursor:
        cursor.execute(
            f"SELECT t.id, SUM(p.config_id = t.config_id), COUNT(*) FROM {name}.program t"
            f" JOIN {name}.program_peserta s ON s.program_id = t.id AND s.peserta <> ''"
            f" JOIN {takers} WHERE p.status_dasar = {ALIVE} AND t.sasaran = {aim}"
            " AND t.config_id IS NOT NULL GROUP BY t.id"
        )
        rows = cursor.fetchall()
    return {f"bantuan/{aim}/{one}": (int(own), int(every)) for one, own, every in rows}


def _one(link: Link, query: str) -> int:
    with link.cursor() as cursor:
        cursor.execute(query)
        return int((cursor.fetchone() or (0,))[0])

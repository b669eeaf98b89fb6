"""What OpenKab shows of a village, counted in its own database and in the merged one alike."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .driver import Link
    from .relations import Scope

Figures = dict[str, int]

DEAD = 2
ALIVE = 1
# What the statistics are made of; when none of these has changed, they have not.
STATISTICS_OF = frozenset(
    {
        "tweb_penduduk",
        "log_penduduk",
        "tweb_keluarga",
        "tweb_rtm",
        "program",
        "program_peserta",
        "artikel",
        "sys_traffic",
    }
)
_CATEGORIES = (
    "agama_id",
    "akta_lahir",
    "bahasa_id",
    "bpjs_ketenagakerjaan",
    "cacat_id",
    "cara_kb_id",
    "golongan_darah_id",
    "hamil",
    "id_asuransi",
    "kk_level",
    "ktp_el",
    "pekerjaan_id",
    "pendidikan_kk_id",
    "pendidikan_sedang_id",
    "rtm_level",
    "sakit_menahun_id",
    "status",
    "status_kawin",
    "status_rekam",
    "suku",
    "warganegara_id",
)
# Of these OpenKab asks only whether there is one, and a pseudonym is one.
_WHETHER = frozenset({"akta_lahir", "bpjs_ketenagakerjaan"})


def statistics(link: Link, scope: Scope, day: str, *, shift: int = 0) -> Figures:
    """Return what OpenKab shows of the village, by name; ages are those on `day`.

    `shift` is what was added to the ids of programmes, which appear in the names.
    """
    found: Counter[str] = Counter()
    if "tweb_penduduk" not in scope.tables or "log_penduduk" not in scope.tables:
        return {}
    alive = _residents(link, scope, day, found)
    for table, name, level in (("tweb_keluarga", "keluarga", 0), ("tweb_rtm", "rtm", 1)):
        heads = {one for one, levels in alive.items() if levels[level] == 1}
        leads = [row[0] for row in _rows(link, scope, table, "t.nik_kepala")]
        found[name] = sum(lead in heads for lead in leads)
    _aid(link, scope, shift, found)
    found["artikel"] = _one(link, scope, "artikel", "COUNT(*)")
    found["pengunjung"] = _one(link, scope, "sys_traffic", "COALESCE(SUM(t.Jumlah), 0)")
    return {name: count for name, count in found.items() if count}


def last_events(scope: Scope) -> str:
    """Return the last event of each resident: the one with the greatest number."""
    log = scope.name("log_penduduk")
    return (
        f"(SELECT l.id_pend, l.kode_peristiwa FROM {log} l JOIN"
        f" (SELECT MAX(x.id) AS id FROM {log} x WHERE {scope.where('log_penduduk', 'x')}"
        " GROUP BY x.id_pend) m ON m.id = l.id)"
    )


def _residents(
    link: Link, scope: Scope, day: str, found: Counter[str]
) -> dict[int, tuple[Any, Any]]:
    """Count the residents in every category; return those alive with their levels."""
    has = scope.tables["tweb_penduduk"].columns
    columns = [name for name in _CATEGORIES if name in has]
    fields = [
        f"NULLIF(t.{name}, '') IS NOT NULL" if name in _WHETHER else f"t.{name}" for name in columns
    ]
    rows = _rows(
        link,
        scope,
        "tweb_penduduk",
        "t.id, t.sex, t.status_dasar, g.kode_peristiwa, t.kk_level, t.rtm_level,"
        f" TIMESTAMPDIFF(YEAR, t.tanggallahir, '{day}'), {', '.join(fields)}",
        joins=f" LEFT JOIN {last_events(scope)} g ON g.id_pend = t.id",
    )
    alive: dict[int, tuple[Any, Any]] = {}
    for one, sex, status, event, kk_level, rtm_level, age, *values in rows:
        found[f"peristiwa/{event}"] += 1
        found[f"status_dasar/{status}"] += 1
        if event is None or event == DEAD or status != ALIVE:
            continue
        alive[one] = (kk_level, rtm_level)
        found[f"sex/{sex}"] += 1
        found[f"umur/{age}/{sex}"] += 1
        for name, value in zip(columns, values, strict=True):
            found[f"{name}/{value}/{sex}"] += 1
    found["penduduk"] = len(alive)
    return alive


def _aid(link: Link, scope: Scope, shift: int, found: Counter[str]) -> None:
    """Count who receives aid, per programme, as OpenKab joins them: by NIK and number of KK."""
    if not {"program", "program_peserta", "tweb_keluarga"} <= scope.tables.keys():
        return
    people = f" JOIN {scope.name('tweb_penduduk')} p ON"
    own = f"{scope.where('tweb_penduduk', 'p')} AND p.status_dasar = {ALIVE}"
    families = f" JOIN {scope.name('tweb_keluarga')} k ON k.no_kk = s.peserta"
    ways = {
        1: f"{people} p.nik = s.peserta AND {own}",
        2: f"{families} AND {scope.where('tweb_keluarga', 'k')}{people} p.id = k.nik_kepala"
        f" AND {own}",
    }
    takers = f" JOIN {scope.name('program_peserta')} s ON s.program_id = t.id"
    taken = f"{takers} AND {scope.where('program_peserta', 's')}"
    for target, way in ways.items():
        fields = f"t.id - {shift}, COUNT(*)"
        tail = f" AND t.sasaran = {target} GROUP BY t.id"
        for program, count in _rows(link, scope, "program", fields, joins=taken + way, tail=tail):
            found[f"bantuan/{target}/{program}"] = int(count)
    found["program"] = _one(link, scope, "program", "COUNT(*)")


def _rows(
    link: Link, scope: Scope, table: str, fields: str, *, joins: str = "", tail: str = ""
) -> list[tuple[Any, ...]]:
    if table not in scope.tables:
        return []
    with link.cursor() as cursor:
        cursor.execute(
            f"SELECT {fields} FROM {scope.name(table)} t{joins} WHERE {scope.where(table)}{tail}"
        )
        return list(cursor.fetchall())


def _one(link: Link, scope: Scope, table: str, field: str) -> int:
    rows = _rows(link, scope, table, field)
    return int(rows[0][0]) if rows else 0

"""What OpenKab shows of a village, counted in its own database and in the merged one alike."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .driver import Link
    from .relations import Scope
    from .schemas import Column

Figures = dict[str, int]

DEAD = 2
ALIVE = 1
_NOT_HERE, _ALIVE = frozenset({"None", str(DEAD)}), str(ALIVE)
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
# Stands between what is fetched as one text.
BETWEEN = "\x1f"
CATEGORIES = (
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

    `shift` is what was added to the ids of programmes, which appear in the names. Tables are read
    one by one and joined here: within a merge the server knows too little of what it has just
    been given to join them well, and has taken a minute for what takes a tenth of a second.
    """
    found: Counter[str] = Counter()
    people = _residents(link, scope, day, found) if "tweb_penduduk" in scope.tables else _People()
    for table, name, level in (("tweb_keluarga", "keluarga", 0), ("tweb_rtm", "rtm", 1)):
        heads = {one for one, levels in people.here.items() if levels[level] == "1"}
        leads = [row[0] for row in _rows(link, scope, table, "t.nik_kepala")]
        found[name] = sum(lead in heads for lead in leads)
    _aid(link, scope, shift, people, found)
    found["artikel"] = _one(link, scope, "artikel", "COUNT(*)")
    found["pengunjung"] = _one(link, scope, "sys_traffic", "COALESCE(SUM(t.Jumlah), 0)")
    return {name: count for name, count in found.items() if count}


def _last_events(link: Link, scope: Scope) -> dict[int, str]:
    """Return the last event of each resident: the one with the greatest number."""
    event = "CONCAT(LPAD(t.id, 20, '0'), COALESCE(t.kode_peristiwa, 'None'))"
    rows = _rows(
        link, scope, "log_penduduk", f"t.id_pend, MAX({event})", tail=" GROUP BY t.id_pend"
    )
    return {int(one): str(text)[20:] for one, text in rows if one is not None}


@dataclass
class _People:
    """Residents: the levels of those who live here by their number, and whose NIK is alive."""

    here: dict[int, tuple[str, str]] = field(default_factory=dict)
    alive: set[int] = field(default_factory=set)
    niks: Counter[str] = field(default_factory=Counter)


def category(columns: Mapping[str, Column], name: str, alias: str = "t") -> str:
    """Return what a resident counts under in a category."""
    if name in _WHETHER:
        return f"NULLIF({alias}.{name}, '') IS NOT NULL"
    is_text = re.search("char|text", columns[name].type)
    return f"REPLACE({alias}.{name}, '{BETWEEN}', '')" if is_text else f"{alias}.{name}"


def _residents(link: Link, scope: Scope, day: str, found: Counter[str]) -> _People:
    """Count the residents in every category; return those who live here."""
    has, people = scope.tables["tweb_penduduk"].columns, _People()
    columns = [name for name in CATEGORIES if name in has]
    fields = [
        *(category(has, name) for name in ("sex", "status_dasar", "kk_level", "rtm_level")),
        f"TIMESTAMPDIFF(YEAR, t.tanggallahir, '{day}')",
        *(category(has, name) for name in columns),
    ]
    # As one text: thirty fields of each resident would take longer to fetch than to count.
    told = ", ".join(f"COALESCE({one}, 'None')" for one in fields)
    asked = f"t.id, COALESCE(t.nik, ''), CONCAT_WS('{BETWEEN}', {told})"
    events = _last_events(link, scope)
    for one, nik, text in _rows(link, scope, "tweb_penduduk", asked):
        sex, status, kk_level, rtm_level, age, *values = str(text).split(BETWEEN)
        event = events.get(int(one), "None")
        found[f"peristiwa/{event}"] += 1
        found[f"status_dasar/{status}"] += 1
        if status != _ALIVE:
            continue
        people.alive.add(int(one))
        if nik:
            people.niks[_joined(nik)] += 1
        if event in _NOT_HERE:
            continue
        people.here[int(one)] = (kk_level, rtm_level)
        found[f"sex/{sex}"] += 1
        found[f"umur/{age}/{sex}"] += 1
        for name, value in zip(columns, values, strict=True):
            found[f"{name}/{value}/{sex}"] += 1
    found["penduduk"] = len(people.here)
    return people


def _joined(value: object) -> str:
    """Return a text as the server compares it."""
    return str(value).rstrip().casefold()


def _aid(link: Link, scope: Scope, shift: int, people: _People, found: Counter[str]) -> None:
    """Count who receives aid, per programme, as OpenKab joins them: by NIK and number of KK."""
    families = Counter(
        _joined(number)
        for number, head in _rows(link, scope, "tweb_keluarga", "t.no_kk, t.nik_kepala")
        if head in people.alive and number
    )
    takers = {1: people.niks, 2: families}
    aims = dict(_rows(link, scope, "program", "t.id, t.sasaran"))
    for program, taker in _rows(link, scope, "program_peserta", "t.program_id, t.peserta"):
        aim = aims.get(program)
        if aim in takers and taker:
            found[f"bantuan/{aim}/{program - shift}"] += takers[aim][_joined(taker)]
    found["program"] = len(aims)


def _rows(
    link: Link, scope: Scope, table: str, fields: str, *, tail: str = ""
) -> list[tuple[Any, ...]]:
    if table not in scope.tables:
        return []
    with link.cursor() as cursor:
        cursor.execute(
            f"SELECT {fields} FROM {scope.name(table)} t WHERE {scope.where(table)}{tail}"
        )
        return list(cursor.fetchall())


def _one(link: Link, scope: Scope, table: str, field: str) -> int:
    rows = _rows(link, scope, table, field)
    return int(rows[0][0]) if rows else 0

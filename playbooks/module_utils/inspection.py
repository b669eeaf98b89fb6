"""What a village's database says of itself, read as the user of its throw-away schema.

Some findings forbid to take it over; the others are told, as its people will want to mend them.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from .outcome import MySQLError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .driver import Link

_ESSENTIAL = frozenset(
    {"config", "user", "migrasi", "setting_aplikasi", "tweb_penduduk", "tweb_keluarga"}
)
_ENGINES = frozenset({"InnoDB", "MyISAM", "Aria"})
_CHARSETS = ("utf8_", "utf8mb3_", "utf8mb4_")
_NAMED = 20


@dataclass(frozen=True)
class Expected:
    """Whose database it must be, and what the site it is for will serve.

    `tables` are those of a fresh village of that release, `published` the password hashes the
    world knows.
    """

    code: str
    app_key: str
    schema_version: str
    tables: frozenset[str]
    published: frozenset[str]


@dataclass(frozen=True)
class Finding:
    """Something about a village's data; one that `blocks` forbids to take it over."""

    code: str
    blocks: bool = False
    params: dict[str, Any] = field(default_factory=dict)


@dataclass
class Report:
    """What was found. `figures` count what there is."""

    findings: list[Finding] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)

    def add(self, code: str, *, blocks: bool = False, **params: Any) -> None:
        """Add a finding."""
        self.findings.append(Finding(code, blocks, params))

    @property
    def blocking(self) -> list[Finding]:
        return [finding for finding in self.findings if finding.blocks]

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def inspect(link: Link, expected: Expected, report: Report) -> None:
    """Add to the report what the database that `link` is connected to holds."""
    tables = _tables(link)
    missing = sorted(_ESSENTIAL - tables.keys())
    if missing:
        report.add("not_opensid", blocks=True, tables=missing)
        return
    # A foreign schema may have a table's name without its columns: told, as all else is.
    for look in (_figures, _owner, _version, _logins, _people, _dates):
        _guarded(look, link, expected, report)
    _schema(link, tables, expected, report)


def _guarded(
    look: Callable[[Link, Expected, Report], None], link: Link, expected: Expected, report: Report
) -> None:
    try:
        look(link, expected, report)
    except MySQLError as problem:
        report.add("not_opensid", blocks=True, tables=[str(problem.args[-1])])


def _figures(link: Link, expected: Expected, report: Report) -> None:  # noqa: ARG001 - one of several looks
    report.figures |= {
        "penduduk": _number(link, "SELECT COUNT(*) FROM tweb_penduduk"),
        "keluarga": _number(link, "SELECT COUNT(*) FROM tweb_keluarga"),
    }


def _owner(link: Link, expected: Expected, report: Report) -> None:
    villages = _rows(link, "SELECT kode_desa, nama_desa, app_key FROM config")
    if len(villages) != 1:
        report.add("not_one_village", blocks=True, count=len(villages))
        return
    code, name, app_key = (str(value or "") for value in villages[0])
    digits = "".join(one for one in code if one.isdigit())
    report.figures |= {"code": code, "name": name}
    if digits != expected.code:
        report.add("other_village", blocks=True, found=code, name=name)
    if app_key != expected.app_key:
        report.add("other_app_key", blocks=True)


def _version(link: Link, expected: Expected, report: Report) -> None:
    versions = [str(row[0]) for row in _rows(link, "SELECT versi_database FROM migrasi")]
    told = _rows(link, "SELECT value FROM setting_aplikasi WHERE `key` = 'current_version'")
    newest = max(versions, default="")
    report.figures |= {"schema_version": newest, "app_version": str(told[0][0]) if told else ""}
    if newest != expected.schema_version:
        report.add("other_version", blocks=True, found=newest, wanted=expected.schema_version)


def _logins(link: Link, expected: Expected, report: Report) -> None:
    rows = _rows(link, "SELECT username, password FROM user")
    known = sorted(str(name) for name, hashed in rows if str(hashed) in expected.published)
    if known:
        report.add("published_password", blocks=True, users=known)


def _people(link: Link, expected: Expected, report: Report) -> None:  # noqa: ARG001 - one of several looks
    doubled = _number(
        link,
        "SELECT COUNT(*) FROM (SELECT nik FROM tweb_penduduk WHERE nik REGEXP '[1-9]'"
        " GROUP BY nik HAVING COUNT(*) > 1) AS doubled",
    )
    odd = _number(
        link,
        "SELECT COUNT(*) FROM tweb_penduduk WHERE nik REGEXP '[1-9]' AND CHAR_LENGTH(nik) <> 16",
    )
    long = _number(link, "SELECT COUNT(*) FROM tweb_keluarga WHERE CHAR_LENGTH(no_kk) > 16")
    for code, count in (("double_nik", doubled), ("odd_nik", odd), ("long_kk", long)):
        if count:
            report.add(code, count=count)


def _dates(link: Link, expected: Expected, report: Report) -> None:  # noqa: ARG001 - one of several looks
    """Count dates of zeros: strict servers refuse to write such rows again."""
    columns: dict[str, list[str]] = {}
    for table, column in _rows(
        link,
        "SELECT c.TABLE_NAME, c.COLUMN_NAME FROM information_schema.COLUMNS c"
        " JOIN information_schema.TABLES t USING (TABLE_SCHEMA, TABLE_NAME)"
        " WHERE c.TABLE_SCHEMA = DATABASE() AND t.TABLE_TYPE = 'BASE TABLE'"
        " AND c.DATA_TYPE IN ('date', 'datetime', 'timestamp')",
    ):
        columns.setdefault(str(table), []).append(str(column))
    found: dict[str, int] = {}
    for table, names in columns.items():
        sums = ", ".join(f"SUM(CAST({_quoted(name)} AS CHAR) LIKE '0000-00-00%')" for name in names)
        counts = _rows(link, f"SELECT {sums} FROM {_quoted(table)}")[0]  # noqa: S608 - names the server lists, quoted
        found |= {
            f"{table}.{name}": int(count)
            for name, count in zip(names, counts, strict=True)
            if count
        }
    if found:
        report.add("zero_dates", count=sum(found.values()), columns=sorted(found)[:_NAMED])


def _schema(
    link: Link, tables: dict[str, tuple[str, str]], expected: Expected, report: Report
) -> None:
    report.figures["tables"] = len(tables)
    engines = {name: engine for name, (engine, _) in tables.items() if engine != "InnoDB"}
    foreign = sorted(name for name, engine in engines.items() if engine not in _ENGINES)
    if foreign:
        report.add("foreign_engine", blocks=True, tables=foreign[:_NAMED])
    if engines:
        report.add("other_engine", count=len(engines), tables=sorted(engines)[:_NAMED])
    odd = sorted(name for name, (_, text) in tables.items() if not text.startswith(_CHARSETS))
    if odd:
        report.add("other_charset", count=len(odd), tables=odd[:_NAMED])
    if absent := sorted(expected.tables - tables.keys()):
        report.add("tables_missing", count=len(absent), tables=absent[:_NAMED])
    if programs := _programs(link):
        report.add("programs", count=len(programs), names=programs[:_NAMED])


def _tables(link: Link) -> dict[str, tuple[str, str]]:
    rows = _rows(
        link,
        "SELECT TABLE_NAME, ENGINE, TABLE_COLLATION FROM information_schema.TABLES"
        " WHERE TABLE_SCHEMA = DATABASE() AND TABLE_TYPE = 'BASE TABLE'",
    )
    return {str(name): (str(engine), str(collation)) for name, engine, collation in rows}


def _programs(link: Link) -> list[str]:
    rows = _rows(
        link,
        "SELECT TRIGGER_NAME FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = DATABASE()"
        " UNION ALL"
        " SELECT ROUTINE_NAME FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = DATABASE()",
    )
    return sorted(str(row[0]) for row in rows)


def _rows(link: Link, sql: str) -> Sequence[tuple[Any, ...]]:
    with link.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchall()


def _number(link: Link, sql: str) -> int:
    return int(_rows(link, sql)[0][0] or 0)


def _quoted(name: str) -> str:
    # The client takes `%` for a value's place only with values; there are none here.
    return "`" + name.replace("`", "``") + "`"

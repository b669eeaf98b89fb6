"""The rules of importing villages: every problem of rows with each other and with the registry.

Asked when an import is looked at, and again when it is confirmed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from siappakai.domain.codes import dotted
from siappakai.domain.imports import ImportRow
from siappakai.domain.places import same_name
from siappakai.domain.tables import Level, Problem
from siappakai.wording import say


@dataclass(frozen=True, slots=True)
class KnownSite:
    """The OpenSID site a registered village has; `release` is the one it has or shall get."""

    domain: str
    server: str
    release: str
    php: str
    is_planned: bool


@dataclass(frozen=True, slots=True)
class Known:
    """What the registry knows when an import is checked.

    `official` has village name by code, empty when no list was loaded; `domains` the code of
    the village that has each domain; `servers` the PHP versions of each.
    """

    regency_code: str
    regency_name: str
    districts: Mapping[str, str] = field(default_factory=dict)
    official: Mapping[str, str] = field(default_factory=dict)
    servers: Mapping[str, list[str]] = field(default_factory=dict)
    releases: frozenset[str] = frozenset()
    sites: Mapping[str, KnownSite] = field(default_factory=dict)
    domains: Mapping[str, str] = field(default_factory=dict)


def check_rows(rows: list[ImportRow], known: Known) -> list[Problem]:
    """Return every problem of the rows with each other and with the registry, by row."""
    problems: list[Problem] = []
    for row in rows:
        problems += _code_problems(row, known)
        problems += _district_problems(row, known)
        problems += _site_problems(row, known)
    problems += _repeated(rows, "kode_desa", lambda row: row.code)
    problems += _repeated(rows, "domain", lambda row: row.domain)
    return sorted(problems, key=lambda problem: problem.row)


def _repeated(
    rows: list[ImportRow], column: str, key: Callable[[ImportRow], str]
) -> Iterator[Problem]:
    first: dict[str, int] = {}
    for row in rows:
        text = key(row)
        if text and first.setdefault(text, row.number) != row.number:
            shown = dotted(text) if column == "kode_desa" else text
            what = say(
                "“%(shown)s” sudah ada pada baris %(first)s.", shown=shown, first=first[text]
            )
            yield Problem(
                row.number, column, Level.ERROR, what, say("Hapus atau betulkan salah satu.")
            )


def _code_problems(row: ImportRow, known: Known) -> Iterator[Problem]:
    if not row.code:
        return
    if not row.code.startswith(known.regency_code):
        what = say(
            "Desa %(code)s tidak termasuk %(regency_name)s.",
            code=dotted(row.code),
            regency_name=known.regency_name,
        )
        todo = say(
            "Kode desa di sini berawalan %(regency_code)s.", regency_code=dotted(known.regency_code)
        )
        yield Problem(row.number, "kode_desa", Level.ERROR, what, todo)
    elif known.official and row.code not in known.official:
        what = say("Kode %(code)s tidak ada pada daftar resmi.", code=dotted(row.code))
        yield Problem(
            row.number, "kode_desa", Level.ERROR, what, say("Periksa kode atau daftarnya.")
        )
    elif known.official and row.name and not same_name(row.name, known.official[row.code]):
        what = say(
            "Nama “%(name)s” berbeda dari daftar resmi: “%(official)s”.",
            name=row.name,
            official=known.official[row.code],
        )
        todo = say("Periksa apakah kodenya benar; nama dari berkas akan dipakai.")
        yield Problem(row.number, "nama_desa", Level.WARNING, what, todo)


def _district_problems(row: ImportRow, known: Known) -> Iterator[Problem]:
    name = known.districts.get(row.code[:6], "")
    if not row.code or not row.code.startswith(known.regency_code):
        return
    if not (name or row.district_name):
        what = say(
            "Kecamatan %(code)s belum terdaftar dan namanya kosong.", code=dotted(row.code[:6])
        )
        todo = say("Isi kolom nama_kecamatan.")
        yield Problem(row.number, "nama_kecamatan", Level.ERROR, what, todo)
    elif name and row.district_name and not same_name(name, row.district_name):
        what = say(
            "Kecamatan %(code)s tercatat sebagai “%(name)s”; nama itu dipakai.",
            code=dotted(row.code[:6]),
            name=name,
        )
        yield Problem(row.number, "nama_kecamatan", Level.WARNING, what)


def _site_problems(row: ImportRow, known: Known) -> Iterator[Problem]:
    def error(column: str, what: str, todo: str) -> Problem:
        return Problem(row.number, column, Level.ERROR, what, todo)

    if bool(row.domain) != bool(row.server):
        missing, given = ("server", "domain") if row.domain else ("domain", "server")
        yield error(
            missing,
            say("Kolom %(given)s terisi, %(missing)s kosong.", given=given, missing=missing),
            say("Isi atau kosongkan keduanya."),
        )
    owner = known.domains.get(row.domain, row.code)
    if row.domain and owner != row.code:
        what = say(
            "Domain %(domain)s sudah dipakai desa %(owner)s.",
            domain=row.domain,
            owner=dotted(owner),
        )
        yield error("domain", what, say("Pilih domain lain."))
    if row.server and row.server not in known.servers:
        yield error(
            "server",
            say("Server “%(server)s” tidak terdaftar.", server=row.server[:60]),
            say("Daftarkan dahulu."),
        )
    elif row.server and (php := _php(row, known)) and php not in known.servers[row.server]:
        what = say("PHP %(php)s tidak ada pada server %(server)s.", php=php, server=row.server)
        there = ", ".join(known.servers[row.server])
        yield error("php", what, say("Yang ada: %(versions)s.", versions=there))
    if row.release and row.release not in known.releases:
        what = say("Rilis %(release)s tidak ada pada katalog.", release=row.release)
        yield error("rilis", what, say("Tambahkan rilis itu dahulu."))
    yield from _installed_problems(row, known.sites.get(row.code))


def _php(row: ImportRow, known: Known) -> str:
    """Return the PHP version the row's site shall have, as far as anyone said so."""
    site = known.sites.get(row.code)
    return row.php or (site.php if site else "")


def _installed_problems(row: ImportRow, site: KnownSite | None) -> Iterator[Problem]:
    if site is None or site.is_planned or not (row.domain and row.server):
        return
    for column, new, present in (
        ("domain", row.domain, site.domain),
        ("server", row.server, site.server),
    ):
        if new != present:
            what = say(
                "Situs desa ini sudah terpasang dengan %(column)s %(present)s.",
                column=column,
                present=present,
            )
            todo = say("Impor tidak memindahkan situs; kembalikan isinya atau kosongkan.")
            yield Problem(row.number, column, Level.ERROR, what, todo)
    for column, new, present in (("rilis", row.release, site.release), ("php", row.php, site.php)):
        if new and new != present:
            what = say(
                "Situs desa ini sudah terpasang dengan %(column)s %(present)s; isi sel diabaikan.",
                column=column,
                present=present,
            )
            yield Problem(row.number, column, Level.WARNING, what, say("Pakai menu pembaruan."))


def needs_plan(row: ImportRow, site: KnownSite | None) -> bool:
    """Say whether the row asks for a site that is not there yet, or planned differently."""
    if not (row.domain and row.server):
        return False
    if site is None:
        return True
    wanted = (row.domain, row.server, row.release or site.release, row.php or site.php)
    return site.is_planned and wanted != (site.domain, site.server, site.release, site.php)

"""Importing and exporting the villages of the regency.

An import is two steps: `preview_import` reads and checks a file and keeps what it found as a
draft; `apply_import` checks the draft again and writes it, whole or not at all.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any, Literal

from sqlalchemy import delete, select
from sqlalchemy.orm import joinedload

from siappakai.domain.codes import dotted
from siappakai.domain.import_checks import Known, KnownSite, check_rows, needs_plan
from siappakai.domain.imports import EXPORT_COLUMNS, ImportRow, read_rows
from siappakai.domain.states import SiteState
from siappakai.domain.tables import Level, Problem
from siappakai.errors import ConflictError, InvalidInputError, NotFoundError, SiapPakaiError
from siappakai.models import (
    ImportDraft,
    OfficialVillage,
    Release,
    Server,
    Site,
    Village,
    db,
    utc_now,
)
from siappakai.models.transactions import transaction
from siappakai.services import audit, places, servers, sites, villages
from siappakai.services.site_secrets import SealedSecrets, new_secrets
from siappakai.services.tables import read_table, write_csv, write_xlsx
from siappakai.wording import pack, say, unpack

DRAFT_LIFE = timedelta(hours=24)
_FILENAME_LENGTH = 255
_ID = re.compile(r"[A-Za-z0-9_-]{22}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Preview:
    """What an import would do. `new` and `known` count villages; errors forbid applying it."""

    id: str
    filename: str
    rows: list[ImportRow]
    problems: list[Problem]
    new: int
    known: int

    @property
    def errors(self) -> list[Problem]:
        return [problem for problem in self.problems if problem.level == Level.ERROR]

    @property
    def is_applicable(self) -> bool:
        return not self.errors


@dataclass(frozen=True, slots=True)
class ImportResult:
    """What an import did: villages created, renamed, left as they were; sites planned."""

    created: int
    updated: int
    unchanged: int
    planned: int


def preview_import(content: bytes, *, filename: str, by: str) -> Preview:
    """Read and check a CSV or XLSX list of villages; keep it as a draft for a day.

    Changes nothing but the drafts. Raises InvalidInputError (field `file`) when the file
    cannot be read at all, and NotFoundError before the regency was set.
    """
    rows, problems = read_rows(read_table(content))
    with transaction() as session:
        session.execute(delete(ImportDraft).where(ImportDraft.expires_at < utc_now()))
        problems = _sorted([*problems, *check_rows(rows, _known())])
        draft = ImportDraft(
            id=secrets.token_urlsafe(16),
            filename=filename[-_FILENAME_LENGTH:],
            rows=[asdict(row) for row in rows],
            problems=[_store(problem) for problem in problems],
            created_by=by,
            expires_at=utc_now() + DRAFT_LIFE,
        )
        session.add(draft)
        audit.record("import.preview", draft.filename, by=by, detail={"rows": len(rows)})
    return _preview(draft)


def get_import(draft_id: str) -> Preview:
    """Return a preview as it was shown; raises NotFoundError once it expired or was applied."""
    return _preview(_draft(draft_id))


def plans_sites(draft_id: str) -> bool:
    """Tell whether applying a draft would plan a site; raises NotFoundError as `get_import`."""
    rows, present = get_import(draft_id).rows, _known().sites
    return any(needs_plan(row, present.get(row.code)) for row in rows)


def discard_import(draft_id: str, *, by: str) -> None:
    """Throw a draft away; raises NotFoundError."""
    with transaction() as session:
        draft = _draft(draft_id)
        session.delete(draft)
        audit.record("import.discard", draft.filename, by=by)


def apply_import(draft_id: str, *, by: str) -> ImportResult:
    """Write a draft to the registry, whole or not at all: villages by code, sites planned.

    Raises NotFoundError when the draft expired, and ConflictError when it has errors, also
    those that came up since the preview.
    """
    secrets = _secrets_for(_draft(draft_id))
    with transaction() as session:
        places.hold_regency()
        draft = _draft(draft_id)
        rows = [ImportRow(**row) for row in draft.rows]
        known = _known()
        _refuse_errors(check_rows(rows, known))
        done = [
            _apply_row(row, known.sites.get(row.code), secrets.get(row.code), by=by) for row in rows
        ]
        result = ImportResult(
            created=sum(how == "created" for how, _ in done),
            updated=sum(how == "updated" for how, _ in done),
            unchanged=sum(how == "unchanged" for how, _ in done),
            planned=sum(planned for _, planned in done),
        )
        session.delete(draft)
        audit.record("import.apply", draft.filename, by=by, detail=asdict(result))
    return result


def _secrets_for(draft: ImportDraft) -> dict[str, SealedSecrets]:
    """Make the secrets of the sites a draft will plan, before others must wait for it."""
    _refuse_errors(_preview(draft).errors)
    present = _sites()
    rows = [ImportRow(**row) for row in draft.rows]
    new = [row.code for row in rows if row.code not in present and needs_plan(row, None)]
    return {code: new_secrets() for code in new}


def export_villages(*, file_format: Literal["csv", "xlsx"]) -> bytes:
    """Return all villages in the columns an import takes, as a CSV or XLSX file."""
    write = {"csv": write_csv, "xlsx": write_xlsx}.get(file_format)
    if write is None:
        raise InvalidInputError(
            say("Format ekspor tidak dikenal."), say("Pilih csv atau xlsx."), field="format"
        )
    known = _sites()
    ordered = db.session.scalars(
        select(Village).options(joinedload(Village.district)).order_by(Village.code)
    )
    return write(EXPORT_COLUMNS, (_line(village, known.get(village.code)) for village in ordered))


def _line(village: Village, site: KnownSite | None) -> list[str]:
    area = [
        dotted(village.code),
        village.name,
        dotted(village.district_code),
        village.district.name,
    ]
    return [*area, *((site.domain, site.server, site.release, site.php) if site else [""] * 4)]


def _draft(draft_id: str) -> ImportDraft:
    # No database is asked for what it could not even read.
    draft = db.session.get(ImportDraft, draft_id) if _ID.fullmatch(draft_id) else None
    if draft is None or draft.expires_at < utc_now():
        raise NotFoundError(
            say("Pratinjau impor ini sudah dipakai atau kedaluwarsa."),
            say("Unggah berkasnya sekali lagi."),
        )
    return draft


def _preview(draft: ImportDraft) -> Preview:
    rows = [ImportRow(**row) for row in draft.rows]
    problems = [_load(found) for found in draft.problems]
    codes = {row.code for row in rows if row.code}
    registered = set(db.session.scalars(select(Village.code).where(Village.code.in_(codes))))
    return Preview(
        id=draft.id,
        filename=draft.filename,
        rows=rows,
        problems=problems,
        new=len(codes - registered),
        known=len(codes & registered),
    )


def _store(problem: Problem) -> dict[str, Any]:
    return {**asdict(problem), "what": pack(problem.what), "todo": pack(problem.todo)}


def _load(stored: dict[str, Any]) -> Problem:
    words = {name: unpack(stored[name]) for name in ("what", "todo")}
    return Problem(**{**stored, **words, "level": Level(stored["level"])})


def _refuse_errors(problems: list[Problem]) -> None:
    errors = [found for found in problems if found.level == Level.ERROR]
    if errors:
        raise ConflictError(
            say(
                "Daftar ini memuat %(count)s kesalahan. Baris %(row)s: %(what)s",
                count=len(errors),
                row=errors[0].row,
                what=errors[0].what,
            ),
            say("Betulkan berkasnya dan unggah lagi."),
        )


def _apply_row(
    row: ImportRow, site: KnownSite | None, secrets: SealedSecrets | None, *, by: str
) -> tuple[str, bool]:
    try:
        village = villages.find_village(row.code)
        if village is None:
            how = "created"
            village = villages.register_village(
                code=row.code, name=row.name, district_name=row.district_name, by=by
            )
        else:
            how = "unchanged" if village.name == row.name else "updated"
            villages.update_village(row.code, name=row.name, by=by)
        planned = needs_plan(row, site)
        if planned:
            _plan(row, village, site, secrets, by=by)
    except SiapPakaiError as error:
        raise ConflictError(
            say("Baris %(number)s: %(what)s", number=row.number, what=error.what), error.todo
        ) from error
    return how, planned


def _plan(
    row: ImportRow,
    village: Village,
    site: KnownSite | None,
    secrets: SealedSecrets | None,
    *,
    by: str,
) -> None:
    """Plan the row's site; what the row leaves empty stays as it was planned before."""
    version = row.release or (site.release if site else "")
    php = row.php or (site.php if site else "")
    wanted = select(Release).where(Release.app == sites.OPENSID, Release.version == version)
    sites.plan_site(
        village=village,
        server=_server_called(row.server),
        domain=row.domain,
        release=db.session.scalar(wanted) if version else None,
        php=php or None,
        secrets=secrets,
        by=by,
    )


def _server_called(name: str) -> Server:
    server = servers.find_server(name)
    if server is None:
        raise NotFoundError(
            say("Server “%(server)s” tidak terdaftar.", server=name), say("Daftarkan dahulu.")
        )
    return server


def _known() -> Known:
    regency = places.get_regency()
    official = list(db.session.scalars(select(OfficialVillage)))
    districts = {line.district_code: line.district_name for line in official}
    districts |= {district.code: district.name for district in places.list_districts()}
    living = Site.state != SiteState.REMOVED
    owners = select(Site.domain, Village.code).join(Site.village).where(living)
    return Known(
        regency_code=regency.code,
        regency_name=regency.name,
        districts=districts,
        official={line.code: line.name for line in official},
        servers={server.name: server.php_versions for server in servers.list_servers()},
        releases=frozenset(
            db.session.scalars(select(Release.version).where(Release.app == sites.OPENSID))
        ),
        sites=_sites(),
        domains=dict(db.session.execute(owners).all()),
    )


def _sites() -> dict[str, KnownSite]:
    found = db.session.scalars(
        select(Site)
        .where(Site.app == sites.OPENSID, Site.state != SiteState.REMOVED)
        .options(
            joinedload(Site.village),
            joinedload(Site.server),
            joinedload(Site.release),
            joinedload(Site.wanted_release),
        )
    )
    return {site.village.code: _known_site(site) for site in found}


def _known_site(site: Site) -> KnownSite:
    release = site.release or site.wanted_release
    return KnownSite(
        domain=site.domain,
        server=site.server.name,
        release=release.version if release else "",
        php=site.php,
        is_planned=site.state is SiteState.PLANNED,
    )


def _sorted(problems: list[Problem]) -> list[Problem]:
    return sorted(problems, key=lambda problem: problem.row)

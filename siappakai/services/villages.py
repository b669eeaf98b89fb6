"""Villages of the registry: registering, finding, changing, removing them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypedDict, TypeVarTuple, Unpack

from sqlalchemy import ColumnElement, Select, and_, distinct, func, or_, select, update
from sqlalchemy.orm import contains_eager, selectinload

from siappakai.domain.backups import CopyState
from siappakai.domain.codes import VillageCode, parse_village_code
from siappakai.domain.places import check_name
from siappakai.domain.states import TERMINAL, SiteState
from siappakai.errors import ConflictError, InvalidInputError, NotFoundError
from siappakai.models import (
    Backup,
    BackupCopy,
    District,
    Release,
    Run,
    Server,
    Site,
    Store,
    Target,
    Village,
    db,
)
from siappakai.models.transactions import transaction
from siappakai.services import audit, places
from siappakai.services.paging import MAX_PER_PAGE, Page, paginate, paginate_found
from siappakai.services.sorting import column_of
from siappakai.wording import say

NO_SITE = "none"

_SORTS: dict[str, Any] = {
    "code": Village.code,
    "name": Village.name,
    "district": District.name,
    "domain": Site.domain,
    "server": Server.name,
    "state": Site.state,
    "release": Release.version,
}


# What every village has a value of: sorting by it may follow an index.
_ALWAYS = (Village, District)
Columns = TypeVarTuple("Columns")


class Filters(TypedDict, total=False):
    """What the list of villages can be narrowed by; see list_villages."""

    query: str
    district: str
    server: str
    state: str
    release: str


@dataclass(frozen=True, slots=True)
class VillageRow:
    """A village with its site of one app, or None when it has none."""

    village: Village
    site: Site | None


def register_village(
    *, code: str, name: str, district_name: str = "", copy_of: str = "", by: str
) -> Village:
    """Register a village of the regency.

    `code` is dotted or plain; `district_name` is needed for a district that neither the
    registry nor the official list knows. With `copy_of` it stands for a training copy of the
    village with that code, and its own must not be an official one. Raises InvalidInputError
    naming the bad field, and ConflictError when the code is registered already.
    """
    village_code = parse_village_code(code)
    name = check_name(name, field="nama_desa")
    with transaction() as session:
        places.hold_regency()
        if copy_of:
            _refuse_official(village_code)
        else:
            _refuse_unofficial(village_code)
        district = places.ensure_district(village_code.district, district_name)
        if find_village(village_code.plain):
            raise ConflictError(
                say("Desa %(dotted)s sudah terdaftar.", dotted=village_code.dotted),
                say("Ubah data yang ada, atau periksa kodenya."),
            )
        village = Village(code=village_code.plain, name=name, district=district, copy_of=copy_of)
        session.add(village)
        session.flush()
        audit.record("village.register", village.code, by=by, detail={"name": name})
    return village


def _refuse_unofficial(code: VillageCode) -> None:
    if places.has_official_list() and places.find_official(code.plain) is None:
        raise InvalidInputError(
            say("Kode %(dotted)s tidak ada pada daftar resmi.", dotted=code.dotted),
            say("Periksa kodenya, atau muat daftar resmi yang terbaru."),
            field="kode_desa",
        )


def _refuse_official(code: VillageCode) -> None:
    official = places.find_official(code.plain)
    if official is not None:
        raise InvalidInputError(
            say(
                "Kode %(dotted)s milik %(name)s pada daftar resmi.",
                dotted=code.dotted,
                name=official.name,
            ),
            say("Salinan latihan memerlukan kode yang bukan milik desa mana pun."),
            field="kode_desa",
        )


def update_village(code: str, *, name: str, by: str) -> Village:
    """Rename a village; raises InvalidInputError or NotFoundError. Its code never changes."""
    name = check_name(name, field="nama_desa")
    with transaction():
        village = get_village(code)
        if village.name != name:
            detail = {"from": village.name, "to": name}
            audit.record("village.update", village.code, by=by, detail=detail)
            village.name = name
    return village


def delete_village(code: str, *, by: str) -> None:
    """Remove a village from the registry; ConflictError while it has a site, or backups.

    What was done on a site of it that was removed stays in the history of its runs.
    """
    with transaction() as session:
        village = get_village(code)
        found = session.scalars(select(Site).where(Site.village_id == village.id)).all()
        for site in found:
            if site.state is not SiteState.REMOVED:
                raise ConflictError(
                    say(
                        "Desa %(village)s masih memiliki situs %(domain)s.",
                        village=village.name,
                        domain=site.domain,
                    ),
                    say("Hapus situsnya lebih dahulu."),
                )
            _refuse_backed_up(site)
            _forget_removed(site)
        session.delete(village)
        audit.record("village.delete", village.code, by=by, detail={"name": village.name})


def _refuse_backed_up(site: Site) -> None:
    """Raise ConflictError while something can be restored: without its village nobody could."""
    there = select(func.count(distinct(Backup.id))).join(Backup.copies).join(BackupCopy.store)
    lying = BackupCopy.state.in_((CopyState.STORED, CopyState.MISSING, CopyState.DAMAGED))
    count = db.session.scalar(
        there.where(Backup.site_id == site.id, Store.removed_at.is_(None), lying)
    )
    if count:
        raise ConflictError(
            say(
                "Desa %(village)s masih punya %(count)s cadangan di penyimpanan.",
                village=site.village.name,
                count=count,
            ),
            say("Biarkan desanya terdaftar: tanpa itu cadangannya tidak dapat dipulihkan."),
        )


def _forget_removed(site: Site) -> None:
    session = db.session
    busy = select(Run.id).join(Run.targets).where(Target.site_id == site.id)
    open_run = session.scalar(busy.where(Run.state.not_in(TERMINAL)).limit(1))
    if open_run is not None:
        raise ConflictError(
            say("Pekerjaan %(open_run)s masih mengerjakan desa itu.", open_run=open_run),
            say("Tunggu sampai selesai."),
        )
    session.execute(update(Target).where(Target.site_id == site.id).values(site_id=None))
    session.delete(site)
    session.flush()


def find_village(code: str) -> Village | None:
    """Return the village with the plain `code`, or None."""
    return db.session.scalar(select(Village).where(Village.code == code))


def get_village(code: str) -> Village:
    """Return a village by its dotted or plain code; raises NotFoundError."""
    village_code = parse_village_code(code)
    village = find_village(village_code.plain)
    if village is None:
        raise NotFoundError(
            say("Desa %(dotted)s tidak terdaftar.", dotted=village_code.dotted),
            say("Periksa kodenya atau daftarkan."),
        )
    return village


def list_villages(
    *,
    query: str = "",
    district: str = "",
    server: str = "",
    state: str = "",
    release: str = "",
    app: str = "opensid",
    sort: str = "code",
    page: int = 1,
    per_page: int = 50,
) -> Page[VillageRow]:
    """Return villages with their site of `app`, filtered, sorted and paged.

    `query` is looked for in names, codes and domains; `district` is a code, `server` a name,
    `release` a version, `state` a SiteState or `none` for villages without a site; a site that
    was removed is none. `sort` is
    code, name, district, domain, server, state or release, with `-` before it for descending.
    Raises InvalidInputError naming a filter that does not exist.
    """
    # Sorting and counting whole rows of a long list takes longer than looking a page of them up.
    rows = _with_sites(select(Village.id), app).order_by(*_order(sort))
    wanted = _wanted(query.strip(), district, server, state, release)
    read_page = paginate_found
    if not query.strip():
        read_page = partial(paginate, counted=None if wanted else select(Village.id))
    found = read_page(rows.where(*wanted), lambda row: row[0], page=page, per_page=per_page)
    return Page(_rows(found.items, app), found.total, found.page, found.per_page)


def _wanted(
    query: str, district: str, server: str, state: str, release: str
) -> list[ColumnElement[bool]]:
    wanted: list[ColumnElement[bool]] = []
    if query:
        wanted.append(_matches(query))
    if district:
        wanted.append(Village.district_code == district.replace(".", ""))
    if server:
        wanted.append(Server.name == server)
    if state:
        wanted.append(_has_state(state))
    if release:
        wanted.append(Release.version == release)
    return wanted


def every_village(**filters: Unpack[Filters]) -> list[VillageRow]:
    """Return all villages that match the filters of `list_villages`, by code."""
    rows: list[VillageRow] = []
    number = 1
    while True:
        page = list_villages(**filters, page=number, per_page=MAX_PER_PAGE)
        rows += page.items
        if not page.has_next:
            return rows
        number += 1


def _with_sites(query: Select[*Columns], app: str) -> Select[*Columns]:
    """Join to villages what may be asked about, shown, or sorted by."""
    return (
        query.join(Village.district)
        .outerjoin(Site, _is_site(app))
        .outerjoin(Site.server)
        .outerjoin(Site.release)
    )


def _is_site(app: str) -> ColumnElement[bool]:
    return and_(Site.village_id == Village.id, Site.app == app, Site.state != SiteState.REMOVED)


def _rows(village_ids: Sequence[int], app: str) -> list[VillageRow]:
    """Return the rows of these villages, in their order."""
    query = select(Village, Site).join(Village.district).outerjoin(Site, _is_site(app))
    # Few servers and releases have many sites: read once each, not with every row.
    loaded = query.options(
        contains_eager(Village.district),
        selectinload(Site.server),
        selectinload(Site.release),
    )
    found = {
        village.id: VillageRow(village, site)
        for village, site in db.session.execute(loaded.where(Village.id.in_(village_ids)))
    }
    return [found[one] for one in village_ids]


def _matches(query: str) -> ColumnElement[bool]:
    found = [
        column.icontains(query, autoescape=True)
        for column in (Village.name, District.name, Site.domain)
    ]
    digits = query.replace(".", "")
    if digits.isdigit():
        found.append(Village.code.startswith(digits))
    return or_(*found)


def _has_state(state: str) -> ColumnElement[bool]:
    if state == NO_SITE:
        return Site.id.is_(None)
    try:
        return Site.state == SiteState(state)
    except ValueError:
        raise InvalidInputError(
            say("Keadaan “%(state)s” tidak dikenal.", state=state[:20]),
            say("Pilih %(no_site)s, %(choices)s.", no_site=NO_SITE, choices=", ".join(SiteState)),
            field="state",
        ) from None


def _order(sort: str) -> list[Any]:
    name, downwards = column_of(sort, _SORTS)
    column = _SORTS[name]
    ordered = [column.desc() if downwards else column, Village.code]
    # Villages without a value come last either way, on every database.
    return ordered if column.class_ in _ALWAYS else [column.is_(None), *ordered]

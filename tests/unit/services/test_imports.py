"""Importing villages: everything is shown first, then all of it is done or nothing."""

import io
from datetime import timedelta

import pytest
from openpyxl import Workbook
from sqlalchemy import event, func, select

from siappakai.domain.states import SiteState
from siappakai.errors import ConflictError, InvalidInputError, NotFoundError
from siappakai.models import ImportDraft, Site, Village, db, utc_now
from siappakai.models.transactions import transaction
from siappakai.services import audit, imports, official, places, servers, villages
from siappakai.services.imports import ImportResult, Preview
from siappakai.services.tables import read_table
from tests.databases import every_database
from tests.factories import BY, make_regency, make_release, make_server, make_site, make_village
from tests.lists import as_csv, official_lines, real_list

pytestmark = [every_database, pytest.mark.usefixtures("registry")]


def _line(number: int = 1, **more: str) -> dict[str, str]:
    return {
        "kode_desa": f"51.02.01.{2000 + number}",
        "nama_desa": f"Desa {number}",
        "nama_kecamatan": "Selemadeg",
        **more,
    }


def _site_line(number: int = 1, **more: str) -> dict[str, str]:
    site = {"domain": f"desa{number}.desa.id", "server": "utama", "rilis": "", "php": ""}
    return _line(number, **{**site, **more})


def _preview(*lines: dict[str, str], name: str = "desa.csv") -> Preview:
    return imports.preview_import(as_csv(lines), filename=name, by=BY)


def _import(*lines: dict[str, str]) -> ImportResult:
    return imports.apply_import(_preview(*lines).id, by=BY)


def _villages() -> int:
    return db.session.scalar(select(func.count()).select_from(Village)) or 0


def _states() -> dict[str, tuple[str, str, str]]:
    return {site.village.code: (site.domain, site.php, site.state) for site in _sites()}


def _sites() -> list[Site]:
    return list(db.session.scalars(select(Site).order_by(Site.id)))


def _as_xlsx(lines: list[dict[str, str]], *, numbers: bool = False) -> bytes:
    book = Workbook()
    book.active.append(list(lines[0]))
    for line in lines:
        plain = {**line, "kode_desa": int(line["kode_desa"].replace(".", ""))}
        book.active.append(list((plain if numbers else line).values()))
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def test_a_preview_changes_nothing_but_the_drafts() -> None:
    make_regency()
    preview = _preview(_line(1), _line(2))
    assert (preview.new, preview.known, preview.is_applicable) == (2, 0, True)
    assert [row.code for row in preview.rows] == ["5102012001", "5102012002"]
    assert _villages() == 0
    assert places.list_districts() == []


def test_a_confirmed_import_registers_villages_and_districts() -> None:
    make_regency()
    assert _import(_line(1), _line(2)) == ImportResult(created=2, updated=0, unchanged=0, planned=0)
    assert villages.get_village("5102012001").district.name == "Selemadeg"
    entry = audit.list_entries(action="import.apply").items[0]
    assert (entry.actor, entry.detail["created"]) == (BY, 2)


def test_importing_again_updates_by_code() -> None:
    make_regency()
    _import(_line(1), _line(2))
    assert _import(_line(1), _line(2, nama_desa="Nama Baru"), _line(3)) == ImportResult(
        created=1, updated=1, unchanged=1, planned=0
    )
    assert villages.get_village("5102012002").name == "Nama Baru"
    assert _villages() == 3


def test_every_problem_is_shown_by_row_and_column_and_forbids_applying() -> None:
    make_regency()
    make_server("utama")
    preview = _preview(
        _site_line(1),
        _site_line(1, domain="lain.desa.id"),
        _site_line(3, domain="desa1.desa.id"),
        _site_line(4, server="tidak-ada"),
        _site_line(5, kode_desa="13.07.01.2001"),
        _site_line(6, kode_desa="51020120"),
        _site_line(7, nama_desa=""),
        _site_line(8, rilis="v2410.0.0"),
    )
    assert [(found.row, found.column) for found in preview.errors] == [
        (3, "kode_desa"),
        (4, "domain"),
        (5, "server"),
        (6, "kode_desa"),
        (7, "kode_desa"),
        (8, "nama_desa"),
        (9, "rilis"),
    ]
    assert imports.get_import(preview.id) == preview
    with pytest.raises(ConflictError, match="memuat 7 kesalahan"):
        imports.apply_import(preview.id, by=BY)
    assert _villages() == 0


def test_what_changed_since_the_preview_is_checked_again() -> None:
    make_regency()
    server = make_server("utama")
    preview = _preview(_line(1), _site_line(2))
    assert preview.is_applicable
    make_site(make_village("5102012009"), server, domain="desa2.desa.id")
    with pytest.raises(ConflictError, match=r"Baris 3: Domain desa2\.desa\.id"):
        imports.apply_import(preview.id, by=BY)
    assert villages.find_village("5102012001") is None


def test_a_failure_half_way_undoes_the_whole_import() -> None:
    make_regency()
    make_server("utama")
    preview = _preview(_line(1), _site_line(2))

    def break_down(*_: object) -> None:
        raise ConnectionAbortedError

    event.listen(Site, "before_insert", break_down)
    try:
        with pytest.raises(ConnectionAbortedError):
            imports.apply_import(preview.id, by=BY)
    finally:
        event.remove(Site, "before_insert", break_down)
    assert _villages() == 0
    assert imports.get_import(preview.id) == preview


def test_a_draft_is_applied_once() -> None:
    make_regency()
    preview = _preview(_line())
    imports.apply_import(preview.id, by=BY)
    with pytest.raises(NotFoundError):
        imports.apply_import(preview.id, by=BY)


def test_a_draft_is_discarded() -> None:
    make_regency()
    preview = _preview(_line())
    imports.discard_import(preview.id, by=BY)
    with pytest.raises(NotFoundError):
        imports.get_import(preview.id)


def test_a_draft_expires_and_the_next_preview_sweeps_it() -> None:
    make_regency()
    old = _preview(_line())
    with transaction() as session:
        session.get_one(ImportDraft, old.id).expires_at = utc_now() - timedelta(minutes=1)
    with pytest.raises(NotFoundError):
        imports.apply_import(old.id, by=BY)
    new = _preview(_line())
    assert list(db.session.scalars(select(ImportDraft.id))) == [new.id]


def test_rows_with_domain_and_server_plan_sites() -> None:
    make_regency()
    make_server("utama", php_versions=["8.2", "8.1"])
    make_release("v2410.0.0")
    result = _import(_site_line(1), _site_line(2, rilis="2410.0.0", php="8.1"), _line(3))
    assert result == ImportResult(created=3, updated=0, unchanged=0, planned=2)
    assert _states() == {
        "5102012001": ("desa1.desa.id", "8.2", SiteState.PLANNED),
        "5102012002": ("desa2.desa.id", "8.1", SiteState.PLANNED),
    }
    wanted = [site.wanted_release.version if site.wanted_release else "" for site in _sites()]
    assert wanted == ["", "v2410.0.0"]
    assert all(site.db_password_sealed for site in _sites())


def test_a_forgotten_server_takes_no_sites() -> None:
    make_regency()
    server = make_server("lama")
    servers.forget_server(server.id, by=BY)
    preview = _preview(_site_line(server=server.name))
    assert [(found.column, found.level) for found in preview.problems] == [("server", "error")]


def test_importing_again_plans_only_what_differs_and_keeps_what_is_left_empty() -> None:
    make_regency()
    make_server("utama", php_versions=["8.2", "8.1"])
    make_release("v2410.0.0")
    _import(_site_line(1, rilis="v2410.0.0", php="8.1"), _site_line(2))
    sealed = [site.db_password_sealed for site in _sites()]
    result = _import(_site_line(1, domain="baru.desa.id"), _line(2))
    assert result.planned == 1
    first, _ = _sites()
    assert (first.domain, first.php) == ("baru.desa.id", "8.1")
    assert first.wanted_release is not None
    assert [site.db_password_sealed for site in _sites()] == sealed


def test_an_installed_site_is_not_moved_by_an_import() -> None:
    make_regency()
    site = make_site(make_village("5102012001"), release=make_release())
    lines = [_site_line(1, domain=site.domain, server=site.server.name)]
    assert _import(*lines).planned == 0
    preview = _preview(_site_line(1, server=site.server.name))
    assert [(found.row, found.column) for found in preview.errors] == [(2, "domain")]


def test_before_the_regency_is_set_nothing_is_imported() -> None:
    with pytest.raises(NotFoundError):
        _preview(_line())


def test_an_unreadable_file_is_refused_and_leaves_no_draft() -> None:
    make_regency()
    with pytest.raises(InvalidInputError):
        imports.preview_import(b"PK\x03\x04", filename="x.xlsx", by=BY)
    assert db.session.scalar(select(func.count()).select_from(ImportDraft)) == 0


@pytest.mark.parametrize("numbers", [False, True])
def test_a_workbook_is_imported_also_with_codes_as_numbers(numbers: bool) -> None:  # noqa: FBT001 - a parameter
    make_regency()
    content = _as_xlsx([_line(1), _line(2)], numbers=numbers)
    preview = imports.preview_import(content, filename="desa.xlsx", by=BY)
    assert preview.problems == []
    assert imports.apply_import(preview.id, by=BY).created == 2


def test_a_list_of_133_villages_imports_whole() -> None:
    make_regency()
    lines = official_lines()
    assert _import(*lines) == ImportResult(created=133, updated=0, unchanged=0, planned=0)
    assert [(d.code, d.name) for d in places.list_districts()][::9] == [
        ("510201", "Kecamatan 1"),
        ("510210", "Kecamatan 10"),
    ]
    assert _import(*lines) == ImportResult(created=0, updated=0, unchanged=133, planned=0)


@pytest.mark.parametrize(("file", "count"), [("wilayah_51.02.csv", 133), ("wilayah_13.07.csv", 79)])
def test_the_real_lists_import_whole(file: str, count: int) -> None:
    content = real_list(file)
    official.load_official_list(content, by=BY)
    preview = imports.preview_import(content, filename=file, by=BY)
    assert preview.problems == []
    assert imports.apply_import(preview.id, by=BY).created == count


def _filled() -> None:
    make_regency()
    make_server("utama")
    make_release("v2410.0.0")
    _import(
        _site_line(1, rilis="v2410.0.0", php="8.2"),
        _site_line(2),
        _line(3, nama_desa="=CMD|' /C calc'!A0"),
        _line(4, nama_desa="'Ukai"),
        _line(5, nama_desa='Désa "Satu", Dua; Tiga'),
    )


@pytest.mark.parametrize("file_format", ["csv", "xlsx"])
def test_an_export_comes_back_without_a_change(file_format: str) -> None:
    _filled()
    content = imports.export_villages(file_format=file_format)
    preview = imports.preview_import(content, filename=f"desa.{file_format}", by=BY)
    assert preview.problems == []
    assert imports.apply_import(preview.id, by=BY) == ImportResult(
        created=0, updated=0, unchanged=5, planned=0
    )


@pytest.mark.parametrize("file_format", ["csv", "xlsx"])
def test_an_export_fills_an_empty_registry_with_the_same(file_format: str) -> None:
    _filled()
    content = imports.export_villages(file_format=file_format)
    with transaction() as session:
        for row in [*_sites(), *session.scalars(select(Village))]:
            session.delete(row)
            session.flush()
    preview = imports.preview_import(content, filename=f"desa.{file_format}", by=BY)
    assert imports.apply_import(preview.id, by=BY).created == 5
    again = imports.export_villages(file_format=file_format)
    assert _texts(again) == _texts(content)


def _texts(content: bytes) -> list[list[str]]:
    return [[cell.text for cell in row.cells] for row in read_table(content).rows]


def test_a_removed_site_is_not_exported_and_can_be_planned_again() -> None:
    make_regency()
    site = make_site(make_village("5102012001"), make_server("utama"), state=SiteState.REMOVED)
    line = next(iter(_texts(imports.export_villages(file_format="csv"))))
    assert line[:2] == ["51.02.01.2001", "Desa 1"]
    assert not any(line[4:])
    assert _import(_site_line(1, domain=site.domain)).planned == 1
    assert _states()["5102012001"][2] == SiteState.PLANNED


def test_an_unknown_export_format_is_refused() -> None:
    with pytest.raises(InvalidInputError) as caught:
        imports.export_villages(file_format="pdf")
    assert caught.value.field == "format"

"""Villages, their regency, and the files they come in."""

from pathlib import Path

import pytest

from tests.factories import make_regency, make_release, make_site, make_village
from tests.unit.cli.conftest import Call

HEADINGS = "kode_desa,nama_desa,nama_kecamatan\n"


def write(folder: Path, *rows: str) -> str:
    file = folder / "desa.csv"
    file.write_text(HEADINGS + "".join(f"{row}\n" for row in rows))
    return str(file)


def test_a_village_is_registered_shown_renamed_and_deleted(siappakai: Call):
    make_regency()
    name = ["--name", "Bajera", "--district-name", "Selemadeg"]
    added = siappakai("village", "add", "5102012001", *name, "--json")
    assert added.exit_code == 0
    assert added.json["code"] == "51.02.01.2001"
    assert added.json["district"] == "Selemadeg"
    assert siappakai("village", "show", "51.02.01.2001", "--json").json == added.json
    renamed = siappakai("village", "update", "51.02.01.2001", "--name", "Bajera Utara", "--json")
    assert renamed.json["name"] == "Bajera Utara"
    assert siappakai("village", "delete", "51.02.01.2001").exit_code == 5
    assert siappakai("village", "delete", "51.02.01.2001", "--yes").exit_code == 0
    assert siappakai("village", "show", "51.02.01.2001").exit_code == 3


def test_a_village_registered_already_is_a_conflict(siappakai: Call):
    village = make_village()
    said = siappakai("village", "add", village.code, "--name", "Lain", "--json")
    assert said.exit_code == 4
    assert said.error["kind"] == "conflict"


def test_a_list_has_the_site_and_can_be_filtered(siappakai: Call):
    site = make_site(release=make_release())
    make_village()
    everything = siappakai("village", "list", "--json").json
    assert everything["total"] == 2
    assert {item["domain"] for item in everything["items"]} == {site.domain, None}
    active = siappakai("village", "list", "--state", "active", "--json").json["items"]
    assert [item["release"] for item in active] == ["v2410.0.0"]
    assert siappakai("village", "list", "--state", "none", "--json").json["total"] == 1


def test_a_list_is_paged_and_says_so(siappakai: Call):
    for _ in range(3):
        make_village()
    said = siappakai("village", "list", "--per-page", "2", "--page", "2", "--json")
    assert (len(said.json["items"]), said.json["page"], said.json["pages"]) == (1, 2, 2)
    assert "Halaman 1 dari 2" in siappakai("village", "list", "--per-page", "2").err


def test_lines_are_for_other_programs(siappakai: Call):
    village = make_village()
    said = siappakai("village", "list")
    assert said.out.splitlines()[0].split("\t")[:2] == ["Kode", "Desa"]
    assert [line[1] for line in said.lines] == [village.name]


def test_a_bad_sort_names_its_field(siappakai: Call):
    assert siappakai("village", "list", "--sort", "age", "--json").error["field"] == "sort"


def test_an_import_is_previewed_then_applied(siappakai: Call, tmp_path: Path):
    make_regency()
    file = write(tmp_path, "51.02.01.2001,Bajera,Selemadeg", "51.02.01.2002,Wanagiri,Selemadeg")
    preview = siappakai("village", "import", file, "--dry-run", "--json")
    assert preview.exit_code == 0
    assert (preview.json["new"], preview.json["created"], preview.json["applied"]) == (2, 2, False)
    assert siappakai("village", "list", "--json").json["total"] == 0
    refused = siappakai("village", "import", file, "--json")
    assert (refused.exit_code, refused.error["kind"]) == (5, "refused")
    done = siappakai("village", "import", file, "--yes", "--json")
    assert (done.json["created"], done.json["applied"]) == (2, True)
    again = siappakai("village", "import", file, "--yes", "--json")
    assert (again.json["created"], again.json["updated"]) == (0, 0)


def test_an_import_with_errors_shows_them_and_changes_nothing(siappakai: Call, tmp_path: Path):
    make_regency()
    file = write(tmp_path, "51.02.01.2001,Bajera,Selemadeg", "bukan kode,Wanagiri,Selemadeg")
    said = siappakai("village", "import", file, "--yes", "--json")
    assert said.exit_code == 2
    assert not said.json["applied"]
    (problem,) = said.json["problems"]
    assert (problem["row"], problem["column"], problem["level"]) == (3, "kode_desa", "error")
    assert siappakai("village", "list", "--json").json["total"] == 0


def test_a_file_that_is_no_table_is_refused(siappakai: Call, tmp_path: Path):
    file = tmp_path / "desa.csv"
    file.write_bytes(b"\0\1")
    make_regency()
    assert siappakai("village", "import", str(file), "--json").error["field"] == "file"


@pytest.mark.parametrize("name", ["desa.csv", "desa.xlsx"])
def test_an_export_is_imported_without_change(siappakai: Call, tmp_path: Path, name: str):
    make_village()
    file = tmp_path / name
    file.write_bytes(b"an older and much longer file" * 1000)
    done = siappakai("village", "export", str(file), "--json")
    assert done.json["size"] == file.stat().st_size
    again = siappakai("village", "import", str(file), "--yes", "--json").json
    assert (again["known"], again["created"], again["updated"]) == (1, 0, 0)


def test_a_refused_export_leaves_the_old_file(siappakai: Call, tmp_path: Path):
    file = tmp_path / "desa.txt"
    file.write_text("kept")
    assert siappakai("village", "export", str(file), "--json").error["field"] == "file"
    assert file.read_text() == "kept"


def test_an_official_list_sets_the_regency(siappakai: Call, tmp_path: Path):
    file = tmp_path / "wilayah.csv"
    file.write_text(
        "nama_provinsi,nama_kabupaten,nama_kecamatan,kode_desa,nama_desa\n"
        "BALI,KAB. TABANAN,Selemadeg,51.02.01.2001,Bajera\n"
    )
    assert siappakai("village", "official-list", str(file), "--json").json == {"villages": 1}
    regency = siappakai("regency", "show", "--json").json
    assert (regency["name"], regency["has_official_list"]) == ("Tabanan", True)
    said = siappakai("village", "add", "51.02.01.2999", "--name", "Lain", "--json")
    assert said.error["field"] == "kode_desa"


def test_districts_are_set_and_listed(siappakai: Call):
    make_regency()
    siappakai("regency", "set-district", "51.02.01", "--name", "Selemadeg")
    assert siappakai("regency", "districts", "--json").json["items"] == [
        {"code": "51.02.01", "name": "Selemadeg"}
    ]
    assert siappakai("regency", "set-district", "51", "--name", "X", "--json").exit_code == 2

"""`siappakai backup export` over a registry whose store does not answer."""

from pathlib import Path

from tests.factories import make_release, make_site
from tests.unit.cli.conftest import Call
from tests.unit.services.test_backups import make_backup, make_store


def test_what_fails_is_told_line_by_line(siappakai: Call, tmp_path: Path):
    make_store()
    sites = [make_site(release=make_release()) for _ in range(2)]
    for site in sites:
        make_backup(site, days=1)
        make_backup(site)
    folder = tmp_path / "bawa"
    folder.mkdir()
    said = siappakai("backup", "export", "--all", "--to", str(folder), "--json")
    rows = said.json["items"]
    assert [(row["village"], row["state"]) for row in rows] == [
        (site.village.name, "failed") for site in sites
    ]
    assert said.exit_code == 6
    assert all(row["message"] for row in rows)
    assert list(folder.iterdir()) == []


def test_one_way_of_choosing_and_a_folder_that_is_there(siappakai: Call, tmp_path: Path):
    make_store()
    number = str(make_backup(make_site(release=make_release())).id)
    to = ("--to", str(tmp_path), "--json")
    assert siappakai("backup", "export", *to).exit_code == 2
    assert siappakai("backup", "export", "--all", "--backup", number, *to).exit_code == 2
    nowhere = siappakai("backup", "export", "--backup", number, "--to", "/tiada", "--json")
    assert (nowhere.exit_code, nowhere.error["field"]) == (2, "to")

"""A server whose MariaDB is down still tells what it can of its sites."""

import gc
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from playbooks.module_utils.health import examine
from siappakai.ansible.plays import Identity, SiteVars
from siappakai.domain.naming import server_layout, site_names


# PyMySQL leaves the socket it could not connect to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_sites_are_ill_and_not_taken_for_absent(tmp_path: Path) -> None:
    layout = replace(
        server_layout(prefix="sp", root="/srv/nowhere", services="private", php_versions=("8.2",)),
        db_socket=str(tmp_path / "no.sock"),
    )
    names = site_names(layout, app="opensid", code="5102012001")
    site = SiteVars(
        **asdict(names),
        app="opensid",
        code="5102012001",
        domain="bajera.desa.id",
        php="8.2",
        release="v2410.0.0",
        schema_version="2024100101",
        benign_patterns=[],
        run_token=1,
        identity=Identity("Bajera", "5102012001", "Selemadeg", "510201", *("",) * 4),
    )
    reports = examine(layout.as_vars(), [asdict(site)])
    report = reports[names.slug]
    assert (report.healthy, report.state) == (False, "partial")
    told = {check.name: check.detail for check in report.checks if not check.ok}
    assert "database" in told["installed"]
    assert "connect" in told["database"]
    assert examine(layout.as_vars(), []) == {}
    gc.collect()  # here, where it is expected, and not in the midst of another test

"""A purge touches nothing but a private arrangement."""

from pathlib import Path
from typing import Any

import pytest

from playbooks.module_utils.daemons import DaemonError
from playbooks.module_utils.purging import (
    MARKER,
    remove_paths,
    require_private,
    site_users,
    traces,
)
from siappakai.domain.naming import server_layout


@pytest.fixture
def layout(tmp_path: Path) -> dict[str, Any]:
    known = server_layout(
        prefix="sptp", root="/srv/tested", services="private", php_versions=("8.2",)
    ).as_vars()
    return {**known, "root": str(tmp_path / "root"), "run_dir": str(tmp_path / "run")}


def test_the_machines_own_services_are_never_purged(layout: dict[str, Any]) -> None:
    with pytest.raises(DaemonError, match="not purged") as failure:
        require_private({**layout, "services": "system"})
    assert failure.value.code == "not_private"


@pytest.mark.parametrize("mark", [None, "another\n"])
def test_a_root_folder_without_our_mark_is_refused(
    layout: dict[str, Any], mark: str | None
) -> None:
    root = Path(layout["root"])
    root.mkdir()
    if mark is not None:
        (root / MARKER).write_text(mark)
    with pytest.raises(DaemonError, match="nothing was removed") as failure:
        require_private(layout)
    assert failure.value.code == "not_ours"


def test_what_is_marked_is_removed_with_read_only_releases(layout: dict[str, Any]) -> None:
    root = Path(layout["root"])
    release = root / "releases" / "opensid"
    release.mkdir(parents=True)
    (root / MARKER).write_text("sptp\n")
    Path(layout["run_dir"]).mkdir()
    require_private(layout)
    assert remove_paths(layout) == [layout["root"], layout["run_dir"]]
    assert traces(layout) == []


def test_nothing_to_purge_is_no_error(layout: dict[str, Any]) -> None:
    require_private(layout)
    assert remove_paths(layout) == []


def test_other_users_of_the_machine_are_no_site_users() -> None:
    assert site_users("root") == []
    assert site_users("www") == []

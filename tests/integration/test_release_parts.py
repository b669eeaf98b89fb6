"""What is installed is what lies in the repository, and what the lock names by its hash."""

from __future__ import annotations

import json
import os
import re
import subprocess
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PYPI = {"registry": "https://pypi.org/simple"}
# What stands in the wheel, and where it lies in the repository.
PLACES = {
    "siappakai/_share/playbooks/": "playbooks/",
    "siappakai/_share/templates/": "templates/",
    "siappakai/": "siappakai/",
}


def _locked() -> list[dict[str, object]]:
    packages = tomllib.loads((ROOT / "uv.lock").read_text())["package"]
    return [one for one in packages if one["name"] != "siappakai"]


def test_every_package_comes_from_one_registry_and_is_known_by_its_hash() -> None:
    assert len(_locked()) > 50
    for package in _locked():
        files = [*package.get("wheels", []), *([package["sdist"]] if "sdist" in package else [])]
        assert package["source"] == PYPI, package["name"]
        assert files, package["name"]
        for file in files:
            assert re.fullmatch(r"sha256:[0-9a-f]{64}", file["hash"]), file["url"]
            assert file["url"].startswith("https://files.pythonhosted.org/"), file["url"]


def test_programs_are_installed_from_the_lock_alone() -> None:
    tasks = (ROOT / "playbooks/roles/panel/tasks/main.yml").read_text()
    (command,) = re.findall(r"- sync\n(?:\s+- .+\n)+", tasks)
    assert {"--frozen", "--no-dev", "--no-editable"} <= set(command.split())
    for line in (ROOT / "Makefile").read_text().splitlines():
        if " sync " in line:
            assert "--frozen" in line, line


@pytest.mark.integration
def test_a_release_holds_what_the_repository_holds_and_nothing_else(tmp_path: Path) -> None:
    made = tmp_path / "dist"
    argv = ["make", "--no-print-directory", "release", f"DIST={made}"]
    subprocess.run(argv, cwd=ROOT, check=True, capture_output=True, env=_environment())
    (wheel,) = made.glob("siappakai-*.whl")
    with zipfile.ZipFile(wheel) as packed:
        inside = {name: packed.read(name) for name in packed.namelist()}
    code = {name: content for name, content in inside.items() if ".dist-info/" not in name}
    found = {_place(name): content for name, content in code.items()}
    assert found.keys() == _tracked()
    assert [name for name, content in found.items() if (ROOT / name).read_bytes() != content] == []
    checked = subprocess.run(
        ["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=made, check=False
    )
    assert checked.returncode == 0
    _look_at_the_parts(json.loads((made / "siappakai.cdx.json").read_text()))


def _look_at_the_parts(listed: dict[str, object]) -> None:
    """The list of parts names what a service installs, version by version."""
    parts = {part["name"]: part["version"] for part in listed["components"]}
    locked = {str(one["name"]): one["version"] for one in _locked()}
    assert {"flask", "ansible-core", "sqlalchemy", "rq", "paramiko"} <= parts.keys()
    assert "pytest" not in parts
    assert {name: locked.get(name) for name in parts} == parts


def _place(name: str) -> str:
    inside, outside = next(pair for pair in PLACES.items() if name.startswith(pair[0]))
    return outside + name.removeprefix(inside)


def _tracked() -> set[str]:
    """Return the files Git knows or would take; nothing it ignores."""
    wanted = ["git", "-c", "safe.directory=*", "ls-files", "--cached", "--others"]
    argv = [*wanted, "--exclude-standard", "-z", "siappakai", "playbooks", "templates"]
    said = subprocess.run(argv, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return {name for name in said.split("\0") if name and (ROOT / name).exists()}


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != "MAKEFLAGS"}

"""The roles' argument specifications and Python's layout say the same."""

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml

from siappakai.domain.naming import PhpLayout, ServerLayout

ROLES = Path(__file__).parents[2] / "playbooks" / "roles"


def _options(role: str) -> dict[str, Any]:
    spec = yaml.safe_load((ROLES / role / "meta/argument_specs.yml").read_text())
    return dict(spec["argument_specs"]["main"]["options"])


def test_the_layout_is_specified_field_by_field() -> None:
    layout = _options("base")["layout"]["options"]
    assert set(layout) == {one.name for one in fields(ServerLayout)}
    assert set(layout["php"]["options"]) == {one.name for one in fields(PhpLayout)}


@pytest.mark.parametrize("role", ["base", "mariadb", "nginx", "php"])
def test_every_default_is_specified_with_the_same_value(role: str) -> None:
    defaults = yaml.safe_load((ROLES / role / "defaults/main.yml").read_text())
    specified = {
        name: option["default"] for name, option in _options(role).items() if "default" in option
    }
    assert specified == defaults

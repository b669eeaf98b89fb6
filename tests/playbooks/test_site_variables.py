"""What modules take is what Python sends, name by name and type by type."""

from dataclasses import fields
from typing import Any, get_type_hints

import pytest
import yaml

from playbooks.module_utils import variables
from siappakai.ansible import plays
from siappakai.domain import naming
from tests.playing import PLAYBOOKS


@pytest.mark.parametrize(
    ("shape", "sent"),
    [
        (variables.LayoutVars, naming.ServerLayout),
        (variables.PhpVars, naming.PhpLayout),
        (variables.ReleaseVars, plays.ReleaseVars),
        (variables.IdentityVars, plays.Identity),
        (variables.CertificateVars, plays.Certificate),
        (variables.SiteVars, plays.SiteVars),
        (variables.SecretVars, plays.SiteSecrets),
    ],
)
def test_modules_take_what_python_sends(shape: Any, sent: Any) -> None:
    assert set(get_type_hints(shape)) == {one.name for one in fields(sent)}
    taken, given = get_type_hints(shape), get_type_hints(sent)
    for name in taken:
        if {taken[name], given[name]} <= {str, int, list[str]}:
            assert taken[name] == given[name], name


def test_secrets_are_masked_and_a_user_name_is_not() -> None:
    options = variables.argument(variables.SecretVars)["options"]
    masked = {name for name, option in options.items() if option["no_log"]}
    assert masked == set(options) - {"admin_user"}
    assert variables.argument(variables.FileVars)["options"]["database"]["no_log"]
    assert not variables.argument(variables.SiteVars)["options"]["database"]["no_log"]


def test_an_optional_part_may_be_missing_and_a_list_names_its_elements() -> None:
    site = variables.argument(variables.SiteVars)["options"]
    assert site["certificate"]["required"] is False
    assert set(site["certificate"]["options"]) == {"chain", "key"}
    assert site["benign_patterns"] == {"type": "list", "elements": "str", "required": True}
    layout = variables.argument(variables.LayoutVars)["options"]
    assert layout["php"]["elements"] == "dict"


def test_the_release_role_is_specified_field_by_field() -> None:
    path = PLAYBOOKS / "roles/release/meta/argument_specs.yml"
    options = yaml.safe_load(path.read_text())["argument_specs"]["main"]["options"]
    wanted = options["release_wanted"]["options"]
    assert set(wanted) == {one.name for one in fields(plays.ReleaseVars)}

"""What Python hands to the playbooks, what those hand to modules, and the example by hand."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import pytest
import yaml

from siappakai.ansible import plays
from siappakai.ansible.inventory import ServerHost, SiteHost, build_inventory
from siappakai.domain.naming import PhpLayout, ServerLayout, server_layout, site_names
from tests.playing import PLAYBOOKS

EXAMPLE = PLAYBOOKS.parent / "inventory.example.yml"
_DOCUMENTATION = re.compile(r'^DOCUMENTATION = r?"""\n(.*?)^"""', re.DOTALL | re.MULTILINE)


def specified(role: str, option: str) -> dict[str, Any]:
    path = PLAYBOOKS / f"roles/{role}/meta/argument_specs.yml"
    options = yaml.safe_load(path.read_text())["argument_specs"]["main"]["options"]
    return dict(options[option]["options"])


def kind_of(annotation: Any) -> set[str]:
    """Return what Ansible may call the type of a member."""
    if annotation is str or get_origin(annotation) is Literal:
        return {"str", "path"}
    if get_origin(annotation) in {list, tuple}:
        return {"list"}
    return {annotation.__name__}


@pytest.mark.parametrize(
    ("role", "option", "sent"),
    [
        ("base", "layout", ServerLayout),
        ("release", "release_wanted", plays.ReleaseVars),
    ],
)
def test_roles_want_the_types_that_python_sends(role: str, option: str, sent: Any) -> None:
    wanted = specified(role, option)
    assert set(wanted) == {one.name for one in fields(sent)}
    for name, annotation in get_type_hints(sent).items():
        assert wanted[name]["type"] in kind_of(annotation), name
        members = get_args(annotation)
        if wanted[name]["type"] == "list" and members[0] is str:
            assert wanted[name]["elements"] == "str"


def options_of(module: Path) -> dict[str, Any]:
    match = _DOCUMENTATION.search(module.read_text())
    assert match, f"{module.name} is not documented"
    return dict(yaml.safe_load(match[1])["options"])


def calls() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Each call of one of our modules: where, which, and with what."""
    modules = {path.stem for path in (PLAYBOOKS / "library").glob("*.py")}
    for path in [*PLAYBOOKS.glob("*.yml"), *PLAYBOOKS.glob("roles/*/*/*.yml")]:
        for task in tasks_in(yaml.safe_load(path.read_text())):
            for name in modules & task.keys():
                yield path.name, name, task[name]


def tasks_in(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, list):
        for item in node:
            yield from tasks_in(item)
    elif isinstance(node, dict):
        yield node
        for key in ("tasks", "block", "rescue", "always", "handlers", "pre_tasks"):
            yield from tasks_in(node.get(key, []))


@pytest.mark.parametrize(("where", "module", "given"), list(calls()))
def test_playbooks_call_modules_as_these_are_documented(
    where: str, module: str, given: dict[str, Any]
) -> None:
    options = options_of(PLAYBOOKS / f"library/{module}.py")
    assert set(given) <= set(options), where
    required = {name for name, option in options.items() if option.get("required")}
    assert required <= set(given), where


def test_every_play_of_the_catalogue_has_its_playbook() -> None:
    for entry in plays.CATALOGUE.values():
        hosts = [play["hosts"] for play in yaml.safe_load((PLAYBOOKS / entry.playbook).read_text())]
        assert any(
            entry.scope in str(host) for host in [*hosts, "sites" * (entry.name == "health")]
        )


@pytest.fixture(scope="module")
def example() -> dict[str, Any]:
    """The example as Ansible reads it: variables by host, beside the groups."""
    program = Path(sys.executable).with_name("ansible-inventory")
    environment = {**os.environ, "ANSIBLE_CONFIG": str(PLAYBOOKS / "ansible.cfg")}
    done = subprocess.run(
        [str(program), "-i", str(EXAMPLE), "--list"],
        capture_output=True,
        check=True,
        env=environment,
        text=True,
    )
    assert "WARNING" not in done.stderr
    read: dict[str, Any] = json.loads(done.stdout)
    return read


def names(shape: Any) -> set[str]:
    return {one.name for one in fields(shape)}


def test_the_example_has_two_servers_and_three_villages(example: dict[str, Any]) -> None:
    assert example["servers"]["hosts"] == ["server-1", "server-2"]
    assert sorted(example["sites"]["children"]) == ["on_server_1", "on_server_2"]
    assert len(example["on_server_1"]["hosts"]) == 2
    assert len(example["on_server_2"]["hosts"]) == 1


def test_the_example_names_things_as_the_panel_does(example: dict[str, Any]) -> None:
    hosts = example["_meta"]["hostvars"]
    layout = server_layout(
        prefix="sp", root="/srv/siappakai", services="system", php_versions=("8.2",)
    )
    for server in example["servers"]["hosts"]:
        assert hosts[server]["layout"] == json.loads(json.dumps(layout.as_vars()))
        assert [set(one) for one in hosts[server]["releases"]] == [names(plays.ReleaseVars)]
    for group in ("on_server_1", "on_server_2"):
        for host in example[group]["hosts"]:
            check_site(host, hosts[host], layout)
            assert hosts[host]["server_host"] in example["servers"]["hosts"]
            assert hosts[host]["site"] in hosts[hosts[host]["server_host"]]["sites"]


def check_site(host: str, given: dict[str, Any], layout: ServerLayout) -> None:
    site = given["site"]
    assert set(site) == names(plays.SiteVars)
    assert set(site["identity"]) == names(plays.Identity)
    assert set(given["secrets"]) == names(plays.SiteSecrets)
    assert set(given["release"]) == names(plays.ReleaseVars)
    assert set(given["layout"]) == names(ServerLayout)
    assert {frozenset(php) for php in given["layout"]["php"]} == {frozenset(names(PhpLayout))}
    expected = site_names(layout, app=site["app"], code=site["code"])
    assert host == expected.slug
    assert {name: site[name] for name in names(type(expected))} == {
        name: getattr(expected, name) for name in names(type(expected))
    }
    for name, annotation in get_type_hints(plays.SiteVars).items():
        if annotation in {str, int}:
            assert type(site[name]) is annotation, name


def as_seen(variables: dict[str, Any]) -> Any:
    """Return variables as Ansible sees them: texts marked as data are plain texts again."""

    def unmarked(value: dict[str, Any]) -> Any:
        return value["__ansible_unsafe"] if set(value) == {"__ansible_unsafe"} else value

    return json.loads(json.dumps(variables), object_hook=unmarked)


def test_the_generated_inventory_is_shaped_like_the_example(example: dict[str, Any]) -> None:
    hosts = example["_meta"]["hostvars"]
    given = hosts["opensid-5102012001"]
    identity = plays.Identity(**given["site"]["identity"])
    site = SiteHost(
        site=plays.SiteVars(**{**given["site"], "identity": identity}),
        secrets=plays.SiteSecrets(**given["secrets"]),
        release=plays.ReleaseVars(**given["release"]),
    )
    connection = {key: given[key] for key in given if key.startswith("ansible_")}
    layout = server_layout(
        prefix="sp", root="/srv/siappakai", services="system", php_versions=("8.2",)
    )
    server = ServerHost("server-2", connection, layout, [site])
    built = build_inventory([server])["all"]["children"]
    assert list(built["servers"]["hosts"]) == ["server-2"]
    one = as_seen(built["servers"]["hosts"]["server-2"])
    assert {key: hosts["server-2"][key] for key in one} == one
    group = built["sites"]["children"]["on_server_2"]
    (slug,) = group["hosts"]
    merged = as_seen({**group["vars"], **group["hosts"][slug]})
    assert {key: hosts[slug][key] for key in merged} == merged


def test_a_release_of_several_sites_is_brought_once() -> None:
    layout = server_layout(
        prefix="sp", root="/srv/siappakai", services="system", php_versions=("8.2",)
    )
    release = plays.ReleaseVars("opensid", "v1", "c", "", "", "1", ["8.2"], [])
    server = ServerHost("server-1", {}, layout, [], [release, release])
    built = build_inventory([server])["all"]["children"]
    assert len(built["servers"]["hosts"]["server-1"]["releases"]) == 1
    assert built["sites"]["children"]["on_server_1"]["hosts"] == {}

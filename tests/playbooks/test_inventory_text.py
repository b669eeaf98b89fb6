"""What people typed into the registry is data to Ansible, whatever it looks like."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from siappakai.ansible.inventory import ServerHost, SiteHost, build_inventory
from siappakai.ansible.plays import Certificate, Identity, ReleaseVars, SiteSecrets, SiteVars
from siappakai.domain.naming import server_layout, site_names
from tests.playing import PLAYBOOKS, play

CODE = "5102062003"
LAYOUT = server_layout(
    prefix="uji", root="/srv/uji", services="private", php_versions=("8.2",), http_port=8080
)
# One play over each group: as a variable, joined, compared, through a template and a module.
BOOK = """
- hosts: servers:sites
  gather_facts: false
  tasks:
    - name: Write down what arrived
      ansible.builtin.copy:
        dest: "{{ folder }}/{{ inventory_hostname }}.json"
        content: "{{ known | to_json }}"
        mode: "0600"
      vars:
        known:
          site: "{{ site | default(sites[0]) }}"
          release: "{{ release | default(releases[0]) }}"
          layout: "{{ layout }}"
          secrets: "{{ secrets | default({}) }}"
          joined: "{{ layout.prefix ~ '-' ~ (sites | default([site]) | map(attribute='slug'))[0] }}"
          compared: "{{ layout.services == 'private' and '8.2' in layout.php[0].version }}"
          rendered: "{{ lookup('ansible.builtin.template', folder ~ '/name.j2') }}"
"""
# What install.yml tells of each site.
ORDERS = """
- hosts: servers
  gather_facts: false
  tasks:
    - name: Write down the orders
      ansible.builtin.copy:
        dest: "{{ folder }}/orders.json"
        content: >-
          {{ sites | map(attribute='slug') | orders(hostvars, problems, templates) | to_json }}
        mode: "0600"
      vars:
        problems: {opensid-v2410.0.0: no room}
"""
TEMPLATE = "{{ (site | default(sites[0])).identity.nama_desa }}"


def hostile(folder: Path, name: str) -> str:
    """Return a text that makes a file when Ansible takes it for a template."""
    return "{{ lookup('pipe','touch " + str(folder / f"ran-{name}") + "') }}"


def hosts_of(folder: Path) -> ServerHost:
    bad = {
        name: hostile(folder, name)
        for name in ("nama_desa", "nama_kecamatan", "nama_kabupaten", "nama_propinsi")
    }
    codes = {
        "kode_desa": CODE,
        "kode_kecamatan": CODE[:6],
        "kode_kabupaten": CODE[:4],
        "kode_propinsi": CODE[:2],
    }
    release = ReleaseVars(
        app="opensid",
        version="v2410.0.0",
        commit="0" * 40,
        archive=hostile(folder, "archive"),
        archive_sha256="",
        schema_version="2024100101",
        php_versions=["8.2"],
        benign_patterns=[hostile(folder, "pattern")],
    )
    names = site_names(LAYOUT, app="opensid", code=CODE)
    site = SiteVars(
        slug=names.slug,
        app="opensid",
        code=CODE,
        unix_user=names.unix_user,
        database=names.database,
        db_user=names.db_user,
        folder=names.folder,
        socket=names.socket,
        domain=hostile(folder, "domain"),
        php="8.2",
        release=release.version,
        schema_version=release.schema_version,
        benign_patterns=release.benign_patterns,
        run_token=1,
        identity=Identity(**bad, **codes),
        certificate=Certificate(hostile(folder, "chain"), hostile(folder, "key")),
    )
    secrets = SiteSecrets(hostile(folder, "password"), "base64:", "admin", "$2y$06$")
    connection = {"ansible_connection": "local", "ansible_host": hostile(folder, "address")}
    host = ServerHost("server-1", connection, LAYOUT, [SiteHost(site, secrets, release)])
    return replace(host, layout=replace(LAYOUT, http_address=hostile(folder, "listen")))


@pytest.fixture
def arrived(tmp_path: Path) -> dict[str, Any]:
    """What each host of a play saw of an inventory full of templates."""
    book = tmp_path / "book.yml"
    book.write_text(BOOK)
    (tmp_path / "name.j2").write_text(TEMPLATE)
    played = play(book, build_inventory([hosts_of(tmp_path)]), "-e", f"folder={tmp_path}")
    assert played.succeeded, played.text
    return {path.stem: json.loads(path.read_text()) for path in tmp_path.glob("*.json")}


def test_no_text_of_the_registry_runs_anything(arrived: dict[str, Any], tmp_path: Path) -> None:
    assert set(arrived) == {"server-1", f"opensid-{CODE}"}
    assert not list(tmp_path.glob("ran-*"))


def test_every_text_arrives_as_it_was_typed(arrived: dict[str, Any], tmp_path: Path) -> None:
    for host, seen in arrived.items():
        for name in ("nama_desa", "nama_kecamatan", "nama_kabupaten", "nama_propinsi"):
            assert seen["site"]["identity"][name] == hostile(tmp_path, name), host
        assert seen["site"]["domain"] == hostile(tmp_path, "domain")
        assert seen["site"]["certificate"]["chain"] == hostile(tmp_path, "chain")
        assert seen["release"]["benign_patterns"] == [hostile(tmp_path, "pattern")]
        assert seen["layout"]["http_address"] == hostile(tmp_path, "listen")
        assert seen["rendered"] == hostile(tmp_path, "nama_desa")
        assert seen["joined"] == f"uji-opensid-{CODE}"
        assert seen["compared"] is True
    assert arrived[f"opensid-{CODE}"]["secrets"]["db_password"] == hostile(tmp_path, "password")


def order(folder: Path, inventory: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return the order of the one site of an inventory."""
    monkeypatch.setenv("ANSIBLE_FILTER_PLUGINS", str(PLAYBOOKS / "filter_plugins"))
    book = folder / "orders.yml"
    book.write_text(ORDERS)
    known = {"folder": str(folder), "templates": str(PLAYBOOKS.parent / "templates/server")}
    known["secret"] = "kept-elsewhere"
    played = play(book, inventory, "-e", json.dumps(known))
    assert played.succeeded, played.text
    return json.loads((folder / "orders.json").read_text())[0]


def test_an_order_holds_what_was_typed_and_runs_none_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = order(tmp_path, build_inventory([hosts_of(tmp_path)]), monkeypatch)
    assert not list(tmp_path.glob("ran-*"))
    assert told["secrets"]["db_password"] == hostile(tmp_path, "password")
    assert f"server_name {hostile(tmp_path, 'domain')};" in told["files"]["vhost"]
    assert hostile(tmp_path, "password") in told["files"]["database"]
    assert told["files"]["pool"].startswith("; Ansible managed\n; One site")
    assert told["release_problem"] == "no room"


def test_in_an_inventory_by_hand_a_secret_may_be_a_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inventory = build_inventory([hosts_of(tmp_path)])
    (group,) = inventory["all"]["children"]["sites"]["children"].values()
    group["hosts"][f"opensid-{CODE}"]["secrets"]["db_password"] = "{{ secret }}"
    told = order(tmp_path, inventory, monkeypatch)
    assert told["secrets"]["db_password"] == "kept-elsewhere"
    assert "'kept-elsewhere'" in told["files"]["database"]

"""What must be so before an installation begins, asked without a server."""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from playbooks.module_utils import admission, site_tree, tree
from playbooks.module_utils.mariadb import State
from playbooks.module_utils.order import Order
from playbooks.module_utils.outcome import Refusal


def _order(folder: Path, certificate: dict[str, str] | None = None) -> Order:
    site: Any = {
        "slug": "opensid-5102012001",
        "folder": str(folder),
        "domain": "bajera.desa.id",
        "database": "sp_opensid_5102012001",
        "release": "v2410.0.0",
        "certificate": certificate,
    }
    nothing: Any = {}
    return Order(layout=nothing, release=nothing, site=site, secrets=nothing, files=nothing)


def test_a_village_whose_database_is_gone_is_not_installed_anew(tmp_path: Path) -> None:
    order = _order(tmp_path)
    admission.check_note(order, State.ABSENT)
    tree.apply(str(tmp_path), [site_tree.note_entry({"release": "v2410.0.0"})])
    for state in (State.COMPLETE, State.LOADING):
        admission.check_note(order, state)
    with pytest.raises(Refusal) as refusal:
        admission.check_note(order, State.ABSENT)
    assert refusal.value.code == "database_lost"


def test_a_server_prepared_before_it_had_listening_addresses_is_refused(tmp_path: Path) -> None:
    order = _order(tmp_path)
    order.layout.update({"sites": str(tmp_path), "nginx_sites": str(tmp_path)})
    php: Any = {"pool_dir": str(tmp_path)}
    (tmp_path / "listen-http").touch()
    with pytest.raises(Refusal) as refusal:
        admission.check_server(order, php)
    assert (refusal.value.code, "listen-https" in str(refusal.value)) == ("server_unprepared", True)
    (tmp_path / "listen-https").touch()
    admission.check_server(order, php)


def _pair(folder: Path, name: str, *options: str) -> dict[str, str]:
    chain, key = folder / f"{name}.pem", folder / f"{name}.key"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-days", "2", "-subj", "/CN=bajera.desa.id", "-keyout", str(key), "-out", str(chain),
         *(options or ("-nodes",))],
        check=True,
        capture_output=True,
    )  # fmt: skip
    return {"chain": str(chain), "key": str(key)}


def test_a_certificate_must_be_there_and_fit_its_key(tmp_path: Path) -> None:
    good, other = _pair(tmp_path, "good"), _pair(tmp_path, "other")
    locked = _pair(tmp_path, "locked", "-passout", "pass:rahasia")
    admission.check_certificate(_order(tmp_path))
    admission.check_certificate(_order(tmp_path, good))
    (tmp_path / "empty").write_text("")
    for wrong in (
        good | {"key": other["key"]},
        good | {"key": str(tmp_path / "none")},
        good | {"chain": str(tmp_path / "empty")},
        good | {"chain": str(tmp_path)},
        locked,
    ):
        with pytest.raises(Refusal) as refusal:
            admission.check_certificate(_order(tmp_path, wrong))
        assert refusal.value.code == "certificate_unusable"

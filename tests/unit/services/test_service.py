"""What the service's playbook is told, and how programs are told apart."""

import fcntl
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.test import EnvironBuilder

from siappakai.config import Settings
from siappakai.errors import ConflictError, InvalidInputError, RefusedError, SiapPakaiError
from siappakai.gateways.systemd import Systemd
from siappakai.services import readiness, service

ROOT = Path(__file__).parents[3]
PROGRAM = Path("/opt/siappakai/programs/one")
PAIR = {"certificate": "/etc/ssl/chain.pem", "certificate_key": "/etc/ssl/key.pem"}


def _told(**changes: object) -> dict[str, object]:
    return service.variables(Settings(**changes), PROGRAM)


def test_the_role_is_told_all_it_specifies_and_nothing_else():
    specs = yaml.safe_load((ROOT / "playbooks/roles/service/meta/argument_specs.yml").read_text())
    specified = set(specs["argument_specs"]["main"]["options"])

    assert set(_told()) | {"service_sudo_rule"} == specified


def test_without_a_certificate_it_stays_on_loopback():
    told = _told()

    assert told["service_listen"] == "127.0.0.1:8080"
    assert _told(host="::1")["service_listen"] == "[::1]:8080"
    assert told["service_certificate"] == ""
    assert told["service_hosts"] == ["127.0.0.1", "localhost"]
    assert told["service_settings"] == ["SIAPPAKAI_TRUSTED_PROXIES=1"]


def test_with_a_certificate_cookies_are_secure_and_loopback_is_no_name():
    told = _told(**PAIR, allowed_hosts=["localhost", "panel.tabanan.example"])

    assert told["service_hosts"] == ["panel.tabanan.example"]
    assert "SIAPPAKAI_SECURE_COOKIES=true" in told["service_settings"]


def test_a_proxy_before_nginx_is_counted_too():
    assert _told(trusted_proxies=2)["service_settings"] == ["SIAPPAKAI_TRUSTED_PROXIES=2"]


@pytest.mark.parametrize("proxies", [0, 1, 2])
def test_a_panel_behind_proxies_is_asked_as_they_would(proxies: int):
    settings = Settings(trusted_proxies=proxies)
    seen: list[str] = []

    def app(environ: dict[str, Any], _start: object) -> list[bytes]:
        seen.append(environ["REMOTE_ADDR"])
        return []

    believing = ProxyFix(app, x_for=max(1, proxies))
    environ = EnvironBuilder(headers=readiness.headers_for(settings)).get_environ()
    believing({**environ, "REMOTE_ADDR": ""}, lambda *_: lambda _: None)
    assert seen == ["127.0.0.0"]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"certificate": "/etc/ssl/chain.pem"}, "certificate_key"),
        ({**PAIR, "certificate": "chain.pem"}, "certificate"),
        ({**PAIR, "certificate": "/etc/ssl/a;b.pem"}, "certificate"),
        (PAIR, "allowed_hosts"),
        ({"allowed_hosts": []}, "allowed_hosts"),
        ({"host": "192.0.2.7"}, "host"),
        ({"host": "panel.example"}, "host"),
        ({"allowed_hosts": ["panel.example; return 200"]}, "allowed_hosts"),
        ({"allowed_hosts": ["panel.example\n"]}, "allowed_hosts"),
    ],
)
def test_what_nginx_could_stumble_over_is_refused(changes: dict[str, object], field: str):
    with pytest.raises(InvalidInputError) as caught:
        _told(**changes)
    assert caught.value.field == field


def test_a_queue_elsewhere_means_no_redis_here():
    assert _told()["service_redis"] is True
    assert _told(redis_url="rediss://queue.example/0")["service_redis"] is False


def test_no_password_is_told():
    told = _told(
        redis_url="rediss://:hemlig@queue.example/0",
        database_url="postgresql+psycopg://panel:hemlig@db.example/registry",
        session_key="hemlig-session",
    )

    assert "hemlig" not in str(told)


def test_a_program_is_named_for_what_it_holds(tmp_path: Path):
    for name in (
        "siappakai/a.py",
        "playbooks/b.yml",
        "templates/c.j2",
        "pyproject.toml",
        "uv.lock",
    ):
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(name)
    before = service.fingerprint(tmp_path)
    (tmp_path / "siappakai/__pycache__").mkdir()
    (tmp_path / "siappakai/__pycache__/a.pyc").write_text("compiled")
    (tmp_path / "README.md").write_text("read")

    assert service.fingerprint(tmp_path) == before
    (tmp_path / "playbooks/b.yml").write_text("changed")
    assert service.fingerprint(tmp_path) != before


def test_units_are_those_laid_down_and_each_worker(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(service, "PLACES", service.Places(etc=tmp_path))
    units = tmp_path / "systemd" / "system"
    units.mkdir(parents=True)
    assert service.units(Settings(workers=2)) == []
    for name in ("siappakai-clock.service", "siappakai-worker@.service"):
        (units / name).touch()

    assert service.units(Settings(workers=2)) == [
        "siappakai.target",
        "siappakai-clock.service",
        "siappakai-worker@1.service",
        "siappakai-worker@2.service",
    ]


def test_nothing_is_installed_beside_make_run(tmp_path: Path, monkeypatch):
    """The supervisor of `make run` holds this lock as long as it lives."""
    monkeypatch.setattr(service, "PLACES", service.Places(root=tmp_path))
    monkeypatch.setattr(service, "checkout", lambda: tmp_path)
    with (tmp_path / "supervisor.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(ConflictError, match="make run"):
            service.install(Settings(run_dir=tmp_path), Systemd(tmp_path))


def test_another_program_is_for_an_upgrade(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(service, "PLACES", service.Places(root=tmp_path))
    monkeypatch.setattr(service, "checkout", lambda: tmp_path)
    (tmp_path / "current").symlink_to(tmp_path / "programs" / "another")
    with pytest.raises(ConflictError, match="another"):
        service.install(Settings(run_dir=tmp_path), Systemd(tmp_path))


@pytest.mark.integration
@pytest.mark.parametrize("before", ["# as it was\n", None])
def test_settings_nginx_does_not_load_are_taken_back(tmp_path: Path, monkeypatch, before):
    """The play's place is taken by what it would have written; nginx is asked in earnest."""
    monkeypatch.setattr(service, "PLACES", service.Places(etc=tmp_path, root=tmp_path))
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "programs" / "one"))
    vhost = tmp_path / "nginx/conf.d/siappakai-panel.conf"
    vhost.parent.mkdir(parents=True)
    if before is not None:
        vhost.write_text(before)
    (tmp_path / "nginx/nginx.conf").write_text(
        f"pid {tmp_path}/pid; error_log stderr; events {{}}\n"
        f"http {{ access_log off; include {vhost}; }}\n"
    )
    broken = "server { ssl_certificate /nowhere/chain.pem; }\n"
    monkeypatch.setattr(service, "play_here", lambda *_, **__: [str(vhost.write_text(broken))])
    monkeypatch.setattr(service, "verify_units", lambda _: True)
    with pytest.raises(SiapPakaiError, match="“nginx"):
        service.activate(Settings())

    assert (vhost.read_text() if vhost.exists() else None) == before


def test_a_checkout_is_not_put_in_use(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(service, "PLACES", service.Places(etc=tmp_path, root=tmp_path))
    with pytest.raises(RefusedError, match="tidak terpasang sebagai layanan"):
        service.activate(Settings())
    assert list(tmp_path.iterdir()) == []

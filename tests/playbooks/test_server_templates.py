"""What the server templates say, read as text."""

import re
from pathlib import Path

import pytest
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from siappakai.domain.naming import ServerLayout, Services, server_layout

TEMPLATES = Path(__file__).parents[2] / "templates" / "server"


def _layout(services: Services, **changes: object) -> ServerLayout:
    wanted: dict[str, object] = {"prefix": "spt", "root": "/srv/tested", "http_port": 8080}
    return server_layout(services=services, php_versions=("8.2",), **{**wanted, **changes})


def _render(template: str, layout: ServerLayout, **values: object) -> str:
    # As Ansible sets Jinja up.
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - configuration files, not HTML
    )
    known = {
        "ansible_facts": {"memtotal_mb": 8000},
        "ansible_managed": "Ansible managed",
        "base_log_days": 30,
        "layout": layout.as_vars(),
        "mariadb_memory_share": 0.3,
        "mariadb_private_buffer_pool_mb": 256,
        "nginx_client_max_body_mb": 64,
        "nginx_ipv6": {"stat": {"exists": True}},
        "nginx_listen_options": "",
        "nginx_listen_port": 8080,
        "php_master": layout.as_vars()["php"][0],
        "php_opcache_memory_mb": 256,
        "php_reload_patience_seconds": 30,
    }
    return environment.get_template(template).render({**known, **values})


def _listens(layout: ServerLayout, **values: object) -> list[str]:
    text = _render("listen.j2", layout, **values)
    return [line for line in text.splitlines() if not line.startswith("#")]


def _settings(text: str) -> dict[str, str]:
    pairs = (line.split("=", 1) for line in text.splitlines() if "=" in line)
    return {name.strip(): value.strip() for name, value in pairs}


def test_mariadb_makes_tables_as_opensid_wants_and_stays_off_the_network() -> None:
    private = _render("mariadb.cnf.j2", _layout("private"))
    assert "skip-networking" in private.splitlines()
    assert _settings(private)["character-set-server"] == "utf8mb3"
    assert _settings(private)["datadir"] == "/srv/tested/mariadb"
    system = _render("mariadb.cnf.j2", _layout("system"))
    assert _settings(system)["bind-address"] == "127.0.0.1"
    assert "datadir" not in _settings(system)


@pytest.mark.parametrize(
    ("memory_mb", "pool", "connections"),
    [
        (400, "128M", "150"),
        (8000, "2304M", "500"),
        (8060, "2304M", "500"),
        (64000, "19200M", "1000"),
    ],
)
def test_mariadb_takes_its_share_of_the_memory(memory_mb: int, pool: str, connections: str) -> None:
    facts = {"memtotal_mb": memory_mb}
    settings = _settings(_render("mariadb.cnf.j2", _layout("system"), ansible_facts=facts))
    assert settings["innodb-buffer-pool-size"] == pool
    assert settings["max-connections"] == connections


def test_a_private_mariadb_stays_small() -> None:
    facts = {"memtotal_mb": 64000}
    settings = _settings(_render("mariadb.cnf.j2", _layout("private"), ansible_facts=facts))
    assert settings["innodb-buffer-pool-size"] == "256M"


def test_the_opcode_cache_keeps_villages_apart() -> None:
    settings = _settings(_render("php.ini.j2", _layout("system")))
    assert settings["opcache.validate_permission"] == "1"
    assert settings["opcache.blacklist_filename"] == "/srv/tested/etc/opcache-blacklist"
    blacklist = _render("opcache-blacklist.j2", _layout("system"))
    assert "/srv/tested/sites/*/desa/config/" in blacklist.splitlines()


def test_localhost_means_the_private_database_in_a_private_arrangement_only() -> None:
    layout = _layout("private")
    settings = _settings(_render("php.ini.j2", layout))
    assert settings["mysqli.default_socket"] == layout.db_socket
    assert settings["pdo_mysql.default_socket"] == layout.db_socket
    assert "default_socket" not in _render("php.ini.j2", _layout("system"))


def test_the_placeholder_pool_is_nobodys_and_answers_nobody() -> None:
    text = _render("php-fpm-master.conf.j2", _layout("private"))
    settings = _settings(text)
    assert settings["process_control_timeout"] == "30s"
    assert settings["user"] == "nobody"
    assert settings["listen.mode"] == "0600"
    assert settings["pm"] == "ondemand"
    assert text.index("[global]") < text.index("[siappakai-placeholder]")


def test_the_private_master_reads_its_own_pools_only() -> None:
    layout = _layout("private")
    settings = _settings(_render("php-fpm.conf.j2", layout))
    assert settings["include"] == "/srv/tested/etc/php/8.2/pool.d/*.conf"
    assert settings["pid"] == layout.php[0].pid_file


def test_an_unknown_host_name_shows_no_village() -> None:
    text = _render("nginx-http.conf.j2", _layout("system"))
    assert "listen 8080 default_server;" in text
    assert "listen [::]:8080 default_server;" in text
    assert "return 404 " in text
    assert "ssl_reject_handshake on;" in text
    assert "server_tokens off;" in text
    assert "include /etc/nginx/siappakai/*.conf;" in text


def test_nginx_listens_on_one_address_when_told_so() -> None:
    text = _render("nginx-http.conf.j2", _layout("private", http_address="127.0.0.1"))
    assert re.findall(r"listen ([^;]+);", text) == ["127.0.0.1:8080 default_server"]


def test_nginx_does_without_ipv6_where_there_is_none() -> None:
    without = {"stat": {"exists": False}}
    assert "[::]" not in _render("nginx-http.conf.j2", _layout("system"), nginx_ipv6=without)


def test_sites_are_heard_on_both_protocols_or_on_one_address() -> None:
    without = {"stat": {"exists": False}}
    both = _listens(_layout("system"))
    assert both == ["listen 8080;", "listen [::]:8080;"]
    secure = _listens(_layout("system"), nginx_listen_port=8443, nginx_listen_options=" ssl")
    assert secure == ["listen 8443 ssl;", "listen [::]:8443 ssl;"]
    assert _listens(_layout("system"), nginx_ipv6=without) == ["listen 8080;"]
    one = _layout("private", http_address="127.0.0.1")
    assert _listens(one) == ["listen 127.0.0.1:8080;"]


def test_a_private_nginx_leaves_port_443_to_the_machine() -> None:
    assert " 443 " not in _render("nginx-http.conf.j2", _layout("private"))
    text = _render("nginx-http.conf.j2", _layout("private", https_port=8443))
    assert "listen 8443 ssl default_server;" in text


def test_a_private_nginx_writes_below_its_root_only() -> None:
    text = _render("nginx.conf.j2", _layout("private"))
    paths = r"^\s*(?:pid|error_log|access_log|\w+_temp_path) ([^;\s]+)"
    written = re.findall(paths, text, re.MULTILINE)
    assert len(written) == 8
    assert all(path.startswith(("/srv/tested/", "/run/siappakai-spt/")) for path in written)
    assert text.rstrip().endswith("}")


def test_logs_are_rotated_and_the_villages_own_are_seen_to_daily() -> None:
    text = _render("logrotate.conf.j2", _layout("private"))
    assert "/srv/tested/log/*.log {" in text
    call = "/srv/tested/etc/rotate-site-logs /srv/tested/sites /srv/tested/log 30"
    assert call in text
    assert text.count("{") == text.count("}")


def test_folders_on_run_come_back_at_boot() -> None:
    text = _render("tmpfiles.conf.j2", _layout("system"))
    assert "d /run/siappakai-spt 0755 root root -" in text
    assert "d /run/siappakai-spt/locks 0700 root root -" in text

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from siappakai.domain.servers import (
    Arrangement,
    DiskTooSmallError,
    Facts,
    Listener,
    UnsupportedSystemError,
    check_address,
    check_facts,
    check_name,
    check_port,
    check_user,
    find_warnings,
    known_hosts_line,
    machine_of,
)
from siappakai.errors import InvalidInputError

GIB = 1024**3
FACTS = Facts(
    system="debian",
    system_version="12",
    system_name="Debian GNU/Linux 12 (bookworm)",
    python="3.11.2",
    systemd=True,
    cpus=2,
    memory_bytes=4 * GIB,
    memory_free_bytes=3 * GIB,
    disk_bytes=40 * GIB,
    disk_free_bytes=30 * GIB,
    mariadb="",
    mariadb_running=False,
    php_versions=(),
    clock=0.0,
    listeners=(),
)


def warnings(facts: Facts = FACTS, skew: float = 0.0) -> list[str]:
    return find_warnings(facts, skew_seconds=skew, max_skew_seconds=30, web_ports=(80, 443))


def test_facts_survive_the_registry() -> None:
    facts = replace(FACTS, php_versions=("8.2",), listeners=(Listener("::", 80, "nginx"),))
    assert Facts.from_dict(facts.as_dict() | {"more": "than we know"}) == facts


@pytest.mark.parametrize(
    ("system", "version"), [("debian", "12"), ("debian", "13"), ("ubuntu", "24.04")]
)
def test_known_systems_may_serve(system: str, version: str) -> None:
    check_facts(replace(FACTS, system=system, system_version=version), min_free_bytes=GIB)


@pytest.mark.parametrize(("system", "version"), [("debian", "11"), ("alpine", "3.20"), ("", "")])
def test_other_systems_are_refused_by_name(system: str, version: str) -> None:
    facts = replace(FACTS, system=system, system_version=version, system_name="Sistem Lain")
    with pytest.raises(UnsupportedSystemError, match="Sistem Lain"):
        check_facts(facts, min_free_bytes=0)


def test_too_little_disk_is_refused_with_both_figures() -> None:
    with pytest.raises(DiskTooSmallError, match=r"30\.0 GiB.*31\.0 GiB"):
        check_facts(FACTS, min_free_bytes=31 * GIB)
    check_facts(FACTS, min_free_bytes=30 * GIB)


def test_a_fit_machine_gives_no_warning() -> None:
    assert warnings() == []
    assert warnings(replace(FACTS, listeners=(Listener("::", 80, "nginx"),)), skew=-30) == []


def test_an_untested_system_a_wrong_clock_and_a_taken_port_are_warned_of() -> None:
    facts = replace(
        FACTS,
        system="ubuntu",
        system_version="24.04",
        listeners=(Listener("0.0.0.0", 80, "apache2"), Listener("::", 80, "apache2")),  # noqa: S104 - seen, not bound
    )
    untested, clock, port = warnings(facts, skew=-31)
    assert "belum teruji" in untested
    assert "-31 detik" in clock
    assert port == "Porta 80 sudah dipakai oleh apache2."


def test_php_is_what_is_installed_else_the_systems_own() -> None:
    assert FACTS.suggested_php == ("8.2",)
    assert replace(FACTS, system_version="13").suggested_php == ("8.4",)
    assert replace(FACTS, php_versions=("8.1", "8.3")).suggested_php == ("8.1", "8.3")


@pytest.mark.parametrize("text", ["10.0.0.1", "server.desa.id", "SERVER", "fe80::1", "::1", "a"])
def test_an_address_is_a_name_or_an_ip(text: str) -> None:
    assert check_address(f" {text} ") == text.lower()


@pytest.mark.parametrize("text", ["", "-oProxyCommand=x", "a b", "a;b", "a/b", "a@b", "a\nb", "a-"])
def test_anything_else_is_no_address(text: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        check_address(text)
    assert caught.value.field == "address"


@pytest.mark.parametrize("text", ["", "Root", "-x", "a b", "9a", "a" * 33, "a$(id)"])
def test_a_user_is_a_unix_account(text: str) -> None:
    assert check_user("siap_pakai-1") == "siap_pakai-1"
    with pytest.raises(InvalidInputError) as caught:
        check_user(text)
    assert caught.value.field == "user"


@pytest.mark.parametrize("text", ["", "a", "<b>x</b>", "a\nb", "x" * 61])
def test_a_name_is_short_and_plain(text: str) -> None:
    assert check_name("Server ini (uji)") == "Server ini (uji)"
    with pytest.raises(InvalidInputError) as caught:
        check_name(text)
    assert caught.value.field == "name"


def test_a_port_names_its_field() -> None:
    assert check_port(65535, "port") == 65535
    with pytest.raises(InvalidInputError) as caught:
        check_port(0, "http_port")
    assert caught.value.field == "http_port"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"prefix": "X"}, "prefix"),
        ({"root": "/"}, "root"),
        ({"php_versions": ("8.2", "x")}, "php"),
        ({"http_port": 70000}, "http_port"),
        ({"http_port": 443}, "https_port"),
        ({"http_address": "127.0.0.1; include x"}, "http_address"),
        ({"parallelism": 65}, "parallelism"),
    ],
)
def test_an_arrangement_names_its_bad_field(changes: dict[str, Any], field: str) -> None:
    Arrangement().check()
    with pytest.raises(InvalidInputError) as caught:
        replace(Arrangement(), **changes).check()
    assert caught.value.field == field


def test_all_names_of_this_machine_are_one() -> None:
    assert machine_of("127.0.0.1") == machine_of("LOCALHOST") == machine_of("::1")
    assert machine_of("10.0.0.1") != machine_of("10.0.0.2")


def test_known_hosts_names_the_port_when_it_is_not_sshs_own() -> None:
    assert known_hosts_line("10.0.0.1", 22, "ssh-ed25519 AA") == "10.0.0.1 ssh-ed25519 AA\n"
    assert known_hosts_line("::1", 2222, "ssh-ed25519 AA") == "[::1]:2222 ssh-ed25519 AA\n"

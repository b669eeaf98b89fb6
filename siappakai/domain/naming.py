"""Every name and path on a server, computed in one place.

Playbooks and modules are given these values; none of them derives a name itself. Two
arrangements exist: `system` uses the machine's own MariaDB, nginx and PHP-FPM; `private`
keeps separate instances of the three below the server's root folder, for the demonstration
and the tests, so that the machine's own services are not touched.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Any, Literal

from siappakai.errors import InvalidInputError
from siappakai.wording import say

Services = Literal["system", "private"]

# OpenSID leaves a database password of 80 or more characters as it is; a shorter one it
# rewrites, encrypted, into desa/config/database.php.
DB_PASSWORD_LENGTH = 80

_PREFIX = re.compile(r"[a-z][a-z0-9]{1,7}")
_ROOT = re.compile(r"(?:/[a-z0-9][a-z0-9._-]{0,40}){2,4}")
_DOMAIN = re.compile(
    r"(?=.{4,120}\Z)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]"
)
_FILE = re.compile(r"(?=.{2,255}\Z)(?:/[A-Za-z0-9][A-Za-z0-9._-]*)+")
_APP = re.compile(r"[a-z][a-z-]{1,11}")
_PHP = re.compile(r"[78]\.\d")


@dataclass(frozen=True, slots=True)
class PhpLayout:
    """One PHP-FPM master: a PHP version on one server."""

    version: str
    binary: str
    config: str
    pool_dir: str
    pid_file: str
    ini_dir: str
    service: str


@dataclass(frozen=True, slots=True)
class ServerLayout:
    """Where things lie on one server. `php` holds one entry per PHP version in use."""

    prefix: str
    services: Services
    root: str
    releases: str
    golden: str
    sites: str
    archive: str
    run_dir: str
    lock_dir: str
    scratch: str
    spool: str
    log_dir: str
    http_address: str
    http_port: int
    https_port: int
    web_user: str
    db_socket: str
    db_config: str
    db_data: str
    db_pid: str
    nginx_config: str
    nginx_sites: str
    nginx_pid: str
    php: tuple[PhpLayout, ...]

    def as_vars(self) -> dict[str, Any]:
        """Return the value of the Ansible variable `layout`."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class SiteNames:
    """What one site is called on its server."""

    slug: str
    unix_user: str
    database: str
    db_user: str
    folder: str
    socket: str


def _private_php(root: str, run: str, version: str) -> PhpLayout:
    etc = f"{root}/etc/php/{version}"
    return PhpLayout(
        version=version,
        binary=f"/usr/sbin/php-fpm{version}",
        config=f"{etc}/php-fpm.conf",
        pool_dir=f"{etc}/pool.d",
        pid_file=f"{run}/php{version}-fpm.pid",
        ini_dir=f"{etc}/conf.d",
        service="",
    )


def _system_php(version: str) -> PhpLayout:
    etc = f"/etc/php/{version}/fpm"
    return PhpLayout(
        version=version,
        binary=f"/usr/sbin/php-fpm{version}",
        config=f"{etc}/php-fpm.conf",
        pool_dir=f"{etc}/pool.d",
        pid_file=f"/run/php/php{version}-fpm.pid",
        ini_dir=f"{etc}/conf.d",
        service=f"php{version}-fpm",
    )


def server_layout(
    *,
    prefix: str,
    root: str,
    services: Services,
    php_versions: tuple[str, ...],
    http_port: int = 80,
    https_port: int = 443,
    http_address: str = "",
) -> ServerLayout:
    """Return every path of a server; raises InvalidInputError naming the bad field.

    `prefix` begins each unix user and database name, so that two arrangements can share
    one machine. `http_address` empty means all addresses, IPv4 and IPv6.
    """
    _check(_PREFIX, prefix, "prefix", say("Pakai 2 sampai 8 huruf kecil atau angka."))
    _check(_ROOT, root, "root", say("Pakai jalur mutlak, misalnya /srv/siappakai."))
    for version in php_versions:
        check_php(version)
    private = services == "private"
    run = f"/run/siappakai-{prefix}"
    etc = f"{root}/etc"
    return ServerLayout(
        prefix=prefix,
        services=services,
        root=root,
        releases=f"{root}/releases",
        golden=f"{root}/golden",
        sites=f"{root}/sites",
        archive=f"{root}/archive",
        run_dir=run,
        lock_dir=f"{run}/locks",
        scratch=f"{root}/scratch",
        spool=f"{root}/spool",
        log_dir=f"{root}/log",
        http_address=http_address,
        http_port=http_port,
        https_port=https_port,
        web_user="www-data",
        db_socket=f"{run}/mariadb/mariadb.sock" if private else "/run/mysqld/mysqld.sock",
        db_config=f"{etc}/mariadb.cnf" if private else "/etc/mysql/mariadb.conf.d/90-siappakai.cnf",
        db_data=f"{root}/mariadb" if private else "/var/lib/mysql",
        db_pid=f"{run}/mariadb/mariadb.pid" if private else "/run/mysqld/mysqld.pid",
        nginx_config=f"{etc}/nginx/nginx.conf" if private else "/etc/nginx/nginx.conf",
        nginx_sites=f"{etc}/nginx/sites" if private else "/etc/nginx/siappakai",
        nginx_pid=f"{run}/nginx.pid" if private else "/run/nginx.pid",
        php=tuple(
            _private_php(root, run, version) if private else _system_php(version)
            for version in php_versions
        ),
    )


def site_names(layout: ServerLayout, *, app: str, code: str) -> SiteNames:
    """Return the names of the site of `app` for the owner `code` (plain digits) on a server."""
    _check(_APP, app, "app", say("Pilih aplikasi dari daftar."))
    if not (code.isascii() and code.isdigit() and len(code) in {4, 6, 10}):
        raise InvalidInputError(
            say("Kode “%(code)s” tidak sah.", code=code),
            say("Pakai 4, 6 atau 10 angka."),
            field="code",
        )
    slug = f"{app}-{code}"
    database = f"{layout.prefix}_{app.replace('-', '_')}_{code}"
    return SiteNames(
        slug=slug,
        unix_user=f"{layout.prefix}-{slug}",
        database=database,
        db_user=database,
        folder=f"{layout.sites}/{slug}",
        socket=f"{layout.run_dir}/{slug}.sock",
    )


def check_domain(text: str) -> str:
    """Return `text` as a lower-case domain; raises InvalidInputError (field `domain`)."""
    domain = text.strip().rstrip(".").lower()
    _check(_DOMAIN, domain, "domain", say("Contoh: bajera.desa.id"))
    return domain


def check_certificate(chain: str, key: str) -> tuple[str, str]:
    """Return the paths on the server of a certificate chain and its key; both empty for HTTP.

    Raises InvalidInputError (field `certificate` or `certificate_key`) for one without the other
    and for what is no absolute path of plain names: both are written into nginx's configuration.
    """
    if chain or key:
        todo = say(
            "Beri jalur mutlak rantai sertifikat dan kuncinya, misalnya /etc/ssl/desa/key.pem."
        )
        _check(_FILE, chain, "certificate", todo)
        _check(_FILE, key, "certificate_key", todo)
    return chain, key


def check_php(version: str) -> str:
    """Return a PHP version such as `8.2`; raises InvalidInputError (field `php`)."""
    _check(_PHP, version, "php", say("Pakai bentuk 8.2."))
    return version


def _check(pattern: re.Pattern[str], value: str, field: str, todo: str) -> None:
    if pattern.fullmatch(value) is None:
        raise InvalidInputError(
            say("Nilai “%(value)s” tidak sah untuk %(field)s.", value=value, field=field),
            todo,
            field=field,
        )

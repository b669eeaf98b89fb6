"""The floor: what a plain shell script needs for the same villages on the same server."""

from __future__ import annotations

import shlex
import subprocess
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

import bcrypt
import jinja2

from bench.villages import BenchVillage
from siappakai.credentials import new_app_key, random_password
from siappakai.domain.naming import DB_PASSWORD_LENGTH, ServerLayout, site_names

_SCRIPTS = Path(__file__).parent / "floor"
_TEMPLATES = Path(__file__).parent.parent / "templates/server"
# Rendered for this village, which the script then replaces by each of its own.
_ANY_CODE = "0000000000"
_FILES = {
    "pool.conf": "site-pool.conf.j2",
    "vhost.conf": "site-vhost.conf.j2",
    "database.php": "database.php.j2",
    "config.php": "config.php.j2",
}


class Floor:
    """The shell script and what it is given, in a folder of its own."""

    def __init__(
        self, folder: Path, layout: ServerLayout, version: str, villages: Sequence[BenchVillage]
    ) -> None:
        folder.mkdir(mode=0o700)
        self.folder = folder
        (folder / "paths").write_text(_paths(layout, version))
        for name, text in _texts(layout).items():
            (folder / name).write_text(text)
        (folder / "villages").write_text("".join(map(_line, villages)))

    def install(self) -> float:
        """Install all villages; return the seconds it took."""
        began = time.monotonic()
        self._run("install.sh")
        return time.monotonic() - began

    def remove(self) -> None:
        """Take them away again."""
        self._run("remove.sh")

    def _run(self, script: str) -> None:
        subprocess.run([str(_SCRIPTS / script), str(self.folder)], check=True)


def _paths(layout: ServerLayout, version: str) -> str:
    values = {
        "prefix": layout.prefix,
        "version": version,
        "sites": layout.sites,
        "release": f"{layout.releases}/opensid/{version}",
        "golden": f"{layout.golden}/opensid-{version}",
        "pools": layout.php[0].pool_dir,
        "vhosts": layout.nginx_sites,
        "php_pid": layout.php[0].pid_file,
        "nginx_pid": layout.nginx_pid,
        "db_socket": layout.db_socket,
        "web_group": layout.web_user,
        "port": str(layout.http_port),
    }
    return "".join(f"{name}={shlex.quote(value)}\n" for name, value in values.items())


def _texts(layout: ServerLayout) -> dict[str, str]:
    """Return the files a village gets, with marks where its own words go."""
    loader = jinja2.FileSystemLoader(_TEMPLATES)
    environment = jinja2.Environment(  # noqa: S701 - configuration files, not pages
        loader=loader, trim_blocks=True, undefined=jinja2.StrictUndefined
    )
    names = asdict(site_names(layout, app="opensid", code=_ANY_CODE))
    known = {
        "ansible_managed": "",
        "layout": layout.as_vars(),
        "site": {**names, "domain": f"d{_ANY_CODE}.desa.test", "certificate": None},
        "secrets": {"db_password": "@PASSWORD@"},
    }
    texts = {
        name: environment.get_template(template).render(known) for name, template in _FILES.items()
    }
    texts["database.sql"] = _database_sql(names["database"])
    texts["identity.sql"] = _IDENTITY
    return {name: text.replace(_ANY_CODE, "@CODE@") for name, text in texts.items()}


def _database_sql(name: str) -> str:
    return (
        f"CREATE DATABASE `{name}` CHARACTER SET utf8mb3 COLLATE utf8mb3_general_ci;\n"
        f"CREATE USER '{name}'@localhost IDENTIFIED BY '@PASSWORD@';\n"
        f"GRANT ALL ON `{name}`.* TO '{name}'@localhost;\n"
        f"USE `{name}`;\n"
    )


_IDENTITY = (
    "UPDATE config SET nama_desa = '@NAME@', kode_desa = '@CODE@', nama_kecamatan = 'Tabanan',"
    " kode_kecamatan = '510205', nama_kabupaten = 'Tabanan', kode_kabupaten = '5102',"
    " nama_propinsi = 'Bali', kode_propinsi = '51', app_key = '@APP_KEY@';\n"
    "UPDATE user SET password = '!', session = MD5(UUID());\n"
    "UPDATE user SET username = 'admin', password = '@HASH@' ORDER BY id LIMIT 1;\n"
)


def _line(village: BenchVillage) -> str:
    hashed = bcrypt.hashpw(random_password(16).encode(), bcrypt.gensalt(4)).decode()
    words: Iterable[str] = (
        village.code,
        village.name,
        random_password(DB_PASSWORD_LENGTH),
        new_app_key(),
        hashed.replace("$2b$", "$2y$", 1),
    )
    return "\t".join(words) + "\n"

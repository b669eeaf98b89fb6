"""Sites on a prepared server of this very machine: the stand-in app, or the real OpenSID.

One private arrangement serves all tests of a session, as preparing it takes most of a minute.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
import os
import secrets
import socket
import subprocess
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import bcrypt
import jinja2
import pymysql
import pytest

from playbooks.module_utils.driver import connect
from playbooks.module_utils.mariadb import State, state_of
from playbooks.module_utils.order import Order
from siappakai.ansible.inventory import ServerHost, SiteHost, build_inventory
from siappakai.ansible.plays import Identity, ReleaseVars, SiteSecrets, SiteVars
from siappakai.domain.naming import ServerLayout, server_layout, site_names
from siappakai.gateways.standin import build_repository
from tests.machine import newest_php
from tests.playing import Played, play, servers

TEMPLATES = Path(__file__).parent.parent / "templates/server"
# What OpenSID asks of a password; with less it lets nobody on after the login.
PASSWORD = "Sandi-uji-2410"
OLD, NEW = "v2409.0.0", "v2410.0.0"
# Of Debian 12 and 13. Whether the real OpenSID works on one is what the tests of it tell.
_PHP = ["8.2", "8.4"]
_SCHEMA = {OLD: "2024090101", NEW: "2024100101"}
# v2409 logs one SQL error on its first seeding; the second migration of that request mends it.
_BENIGN = {OLD: ["komentar"], NEW: []}


@dataclass
class Fleet:
    """A prepared server and the releases that can be installed on it."""

    layout: ServerLayout
    releases: dict[str, ReleaseVars]
    connection: dict[str, Any] = field(default_factory=lambda: {"ansible_connection": "local"})
    address: str = "127.0.0.1"
    _tokens: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def village(self, code: str, version: str = NEW, **changes: Any) -> SiteHost:
        """Return a new village with secrets of its own; `changes` replace parts of its site."""
        names = site_names(self.layout, app="opensid", code=code)
        release = self.releases[version]
        site = SiteVars(
            **asdict(names),
            app="opensid",
            code=code,
            domain=f"d{code}.desa.id",
            php=self.layout.php[0].version,
            release=version,
            schema_version=release.schema_version,
            benign_patterns=release.benign_patterns,
            run_token=next(self._tokens),
            identity=_identity(code),
        )
        return SiteHost(replace(site, **changes), _secrets(), release)

    def again(self, host: SiteHost, **changes: Any) -> SiteHost:
        """Return the village as a later run sees it."""
        changes.setdefault("run_token", next(self._tokens))
        return replace(host, site=replace(host.site, **changes))

    def play(self, playbook: str, *hosts: SiteHost, options: tuple[str, ...] = ()) -> Played:
        """Play a playbook for some villages."""
        server = ServerHost("server-1", self.connection, self.layout, list(hosts))
        return play(playbook, build_inventory([server]), *options)

    def order(self, host: SiteHost) -> Order:
        """Return what the install module is called with, rendered as Ansible would."""
        known = {"site": asdict(host.site), "secrets": asdict(host.secrets)}
        return Order(
            layout=self.layout.as_vars(),
            release=asdict(host.release),
            files={
                name: render(template, layout=self.layout.as_vars(), **known)
                for name, template in (
                    ("pool", "site-pool.conf"),
                    ("vhost", "site-vhost.conf"),
                    ("database", "database.php"),
                    ("config", "config.php"),
                )
            },
            **known,
        )

    def query(self, sql: str, database: str | None = None) -> list[tuple[Any, ...]]:
        """Ask the server's MariaDB something as root."""
        link = pymysql.connect(
            unix_socket=self.layout.db_socket, user="root", database=database, autocommit=True
        )
        with closing(link), link.cursor() as cursor:
            cursor.execute(sql)
            return list(cursor.fetchall())

    def state(self, host: SiteHost) -> State:
        """Return how far a village's database is."""
        with connect(self.layout.db_socket, "root") as link:
            return state_of(link, host.site.database, host.site.slug)


def render(template: str, **known: Any) -> str:
    """Render a server template the way Ansible does."""
    loader = jinja2.FileSystemLoader(TEMPLATES)
    environment = jinja2.Environment(
        loader=loader,
        trim_blocks=True,
        keep_trailing_newline=True,
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # noqa: S701 - configuration files, not pages
    )
    return environment.get_template(f"{template}.j2").render(
        ansible_managed="Ansible managed", **known
    )


def _identity(code: str) -> Identity:
    return Identity(
        nama_desa=f"Bajera {code[-3:]}",
        kode_desa=code,
        nama_kecamatan="Selemadeg",
        kode_kecamatan=code[:6],
        nama_kabupaten="Tabanan",
        kode_kabupaten=code[:4],
        nama_propinsi="Bali",
        kode_propinsi=code[:2],
    )


def _secrets() -> SiteSecrets:
    hashed = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
    return SiteSecrets(
        db_password=secrets.token_hex(40),
        app_key="base64:" + base64.b64encode(secrets.token_bytes(32)).decode(),
        admin_user="admin",
        # PHP writes the same hash with its own letter.
        admin_password_hash=hashed.replace("$2b$", "$2y$", 1),
    )


def _release(repository: Path, version: str, folder: Path) -> ReleaseVars:
    archive = folder / f"{version}.tar.gz"
    git = ["git", "-c", "safe.directory=*", "-C", str(repository)]
    command = [*git, "archive", "--format=tar.gz", "-o", str(archive), version]
    subprocess.run(command, check=True, capture_output=True)
    commit = subprocess.run(
        [*git, "rev-parse", f"{version}^{{commit}}"], check=True, capture_output=True, text=True
    )
    return ReleaseVars(
        app="opensid",
        version=version,
        commit=commit.stdout.strip(),
        archive=str(archive),
        archive_sha256=hashlib.sha256(archive.read_bytes()).hexdigest(),
        schema_version=_SCHEMA[version],
        php_versions=_PHP,
        benign_patterns=_BENIGN[version],
    )


# Loading a village waits for the disk some 1,700 times; nothing here outlives the session.
_ROOTS = "/dev/shm" if os.access("/dev/shm", os.W_OK) else "/srv"  # noqa: S108 - see above


def _layout() -> ServerLayout:
    prefix = f"t{secrets.token_hex(3)}"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    return server_layout(
        prefix=prefix,
        root=f"{_ROOTS}/siappakai-{prefix}",
        services="private",
        php_versions=(newest_php(),),
        http_port=port,
        http_address="127.0.0.1",
    )


def stand_in_releases(folder: Path) -> dict[str, ReleaseVars]:
    """Return the stand-in's old and new release, packed in a folder."""
    return _releases(build_repository(folder / "standin"), folder)


def _releases(repository: Path, folder: Path) -> dict[str, ReleaseVars]:
    return {version: _release(repository, version, folder) for version in (OLD, NEW)}


def _repository(source: str, folder: Path) -> Path:
    if source == "standin":
        return build_repository(folder / "standin")
    return Path(os.environ["SIAPPAKAI_TEST_OPENSID_REPO"])


_NO_OPENSID = "SIAPPAKAI_TEST_OPENSID_REPO" not in os.environ


@pytest.fixture(
    scope="session",
    params=[
        "standin",
        pytest.param(
            "opensid",
            marks=[
                pytest.mark.opensid,
                pytest.mark.skipif(_NO_OPENSID, reason="SIAPPAKAI_TEST_OPENSID_REPO is not set"),
            ],
        ),
    ],
)
def fleet(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A prepared server with an old and a new release at hand; purged afterwards."""
    folder = tmp_path_factory.mktemp("releases")
    releases = _releases(_repository(request.param, folder), folder)
    layout = _layout()
    try:
        prepared = play("server", servers(layout))
        assert prepared.succeeded, prepared.text
        yield Fleet(layout, releases)
    finally:
        purged = play("purge", servers(layout))
        assert purged.succeeded, purged.text


@pytest.fixture(scope="session")
def villages(fleet: Fleet) -> tuple[SiteHost, SiteHost]:
    """Two villages side by side on two releases, by the playbook."""
    old, new = fleet.village("5102010001", OLD), fleet.village("5102010002", NEW)
    played = fleet.play("install", old, new)
    assert played.succeeded, played.text
    return old, new

"""A village in the layout of the fleet: views on read-only releases, own desa/ and storage/."""

import base64
import os
import re
import secrets
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from tests.integration.standin_fixtures.daemons import AS_ROOT, WEB_USER

LINKED = (
    *("app", "donjo-app", "resources", "vendor", "Modules"),
    *("favicon.ico", "robots.txt", "LICENSE", "catatan_rilis.md"),
)


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, list[str]]
    body: str

    @property
    def location(self) -> str:
        return self.headers["location"][0]


@dataclass
class Village:
    folder: Path
    releases: Path
    fpm_socket: Path
    mariadb_socket: Path
    database: str
    cookies: dict[str, str] = field(default_factory=dict)

    def create(self, *, writable_config: bool = True) -> None:
        self.sql_as_root(
            f"CREATE DATABASE {self.database} CHARACTER SET utf8mb3 COLLATE utf8mb3_general_ci;"
            f" CREATE USER {self.database}@localhost IDENTIFIED BY 'rahasia';"
            f" GRANT ALL ON {self.database}.* TO {self.database}@localhost;"
        )
        for name in ("desa/config", "storage/logs", "backup_inkremental", "rel"):
            (self.folder / name).mkdir(parents=True)
        self.app_key.write_text("base64:" + base64.b64encode(secrets.token_bytes(32)).decode())
        self.database_php.write_text(
            "<?php\n"
            f"$db['default']['hostname'] = '{self.mariadb_socket}';\n"
            f"$db['default']['username'] = '{self.database}';\n"
            "$db['default']['password'] = 'rahasia';\n"
            f"$db['default']['database'] = '{self.database}';\n"
        )
        if AS_ROOT:
            for name in ("desa", "storage", "backup_inkremental"):
                subprocess.run(["chown", "-R", WEB_USER, str(self.folder / name)], check=True)
        if not writable_config:
            self.database_php.chmod(0o444)
            self.database_php.parent.chmod(0o555)
            if AS_ROOT:
                subprocess.run(["chown", "-R", "root", str(self.database_php.parent)], check=True)

    def view(self, tag: str) -> Path:
        """Return the document root that joins this village with one release."""
        release, view = self.releases / tag, self.folder / "rel" / tag
        if view.exists():
            return view
        (view / "assets").mkdir(parents=True)
        (view / "storage").mkdir()
        for name in LINKED:
            if (release / name).exists():
                (view / name).symlink_to(release / name)
        for child in (release / "assets").iterdir():
            if child.name != "kelola_file":
                (view / "assets" / child.name).symlink_to(child)
        shutil.copytree(release / "assets/kelola_file", view / "assets/kelola_file")
        shutil.copy(release / "index.php", view / "index.php")
        framework = self.folder / "storage/fw" / tag
        for name in ("views", "cache"):
            (framework / name).mkdir(parents=True)
        if AS_ROOT:
            subprocess.run(["chown", "-R", WEB_USER, str(self.folder / "storage")], check=True)
        (view / "storage/app").symlink_to(release / "storage/app")
        (view / "storage/framework").symlink_to(framework)
        (view / "storage/logs").symlink_to("../../../storage/logs")
        (view / "desa").symlink_to("../../desa")
        (view / "backup_inkremental").symlink_to("../../backup_inkremental")
        return view

    def request(
        self,
        tag: str,
        path: str = "/index.php/siteman",
        *,
        body: bytes | None = None,
        content_type: str = "application/x-www-form-urlencoded",
        referer: str = "http://desa.test/",
        script: str = "/index.php",
    ) -> Answer:
        view = self.view(tag)
        environment = {
            "REQUEST_METHOD": "GET" if body is None else "POST",
            "REQUEST_URI": path,
            "SCRIPT_NAME": script,
            "SCRIPT_FILENAME": f"{view}{script}",
            "DOCUMENT_ROOT": str(view),
            "QUERY_STRING": "",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": "127.0.0.1",
            "HTTP_HOST": "desa.test",
            "HTTP_COOKIE": "; ".join(f"{name}={value}" for name, value in self.cookies.items()),
            "REDIRECT_STATUS": "200",
            "PATH": os.defpath,
        }
        if referer:
            environment["HTTP_REFERER"] = referer
        if body is not None:
            environment |= {"CONTENT_LENGTH": str(len(body)), "CONTENT_TYPE": content_type}
        completed = subprocess.run(
            ["cgi-fcgi", "-bind", "-connect", str(self.fpm_socket)],
            input=body or b"",
            env=environment,
            check=True,
            capture_output=True,
            timeout=60,
        )
        answer = _parsed(completed.stdout.decode())
        for cookie in answer.headers.get("set-cookie", []):
            name, _, value = cookie.partition(";")[0].partition("=")
            self.cookies[name] = value
        return answer

    def login(self, tag: str, password: str, *, referer: str = "http://desa.test/") -> Answer:
        form = self.request(tag).body
        found = re.search(r'name="sidcsrf" value="(\w+)"', form)
        assert found, form
        body = f"sidcsrf={found[1]}&username=admin&password={password}".encode()
        return self.request(tag, "/index.php/siteman/auth", body=body, referer=referer)

    def sql(self, query: str) -> list[list[str]]:
        return self.sql_as_root(query, self.database)

    def sql_as_root(self, query: str, *database: str) -> list[list[str]]:
        command = ["mariadb", "--no-defaults", f"--socket={self.mariadb_socket}", "-N", "-B"]
        output = subprocess.run(
            [*command, *database], input=query.encode(), check=True, capture_output=True
        ).stdout.decode()
        return [line.split("\t") for line in output.splitlines()]

    def migrations(self) -> list[str]:
        return [row[0] for row in self.sql("SELECT versi_database FROM migrasi ORDER BY id")]

    def log(self) -> str:
        files = sorted((self.folder / "storage/logs").glob("log-*.php"))
        return "".join(file.read_text() for file in files)

    @property
    def app_key(self) -> Path:
        return self.folder / "desa/app_key"

    @property
    def database_php(self) -> Path:
        return self.folder / "desa/config/database.php"


def _parsed(output: str) -> Answer:
    head, _, body = output.partition("\r\n\r\n")
    headers: dict[str, list[str]] = {}
    for line in head.split("\r\n"):
        name, _, value = line.partition(": ")
        headers.setdefault(name.lower(), []).append(value)
    status = int(headers.get("status", ["200"])[0].split()[0])
    return Answer(status, headers, body)

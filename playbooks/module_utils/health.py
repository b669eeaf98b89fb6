"""Looking at sites from outside (nginx) and inside (database, log, files); changes nothing."""

from __future__ import annotations

import http.client
import socket
import ssl
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import applog, base_tables, journals, mariadb, site_tree, tree
from .account import check_account, find_account
from .mariadb import State
from .opensid import LOGIN_PATH
from .outcome import MySQLError, Refusal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .driver import Link
    from .variables import LayoutVars, SiteVars

_TIMEOUT_SECONDS = 60
_PARALLEL = 4
_CLOSED_PATHS = ("/desa/config/database.php", "/desa/app_key", "/storage/logs/", "/desa/arsip/")
_OK, _FORBIDDEN, _NOT_FOUND, _ERROR = 200, 403, 404, 500
# What is said of a site that nginx alone lacks: the rest of it can be looked at.
NO_VHOST = "missing: vhost"


@dataclass(frozen=True)
class Check:
    """One question about a site and its answer."""

    name: str
    ok: bool
    detail: str = ""


@dataclass
class Report:
    """What was found of one site. `state`: absent, partial or installed.

    `seconds` is how long looking took, the questions to the database apart. `kept` tells of a
    state of the site that is kept aside; see journals.py.
    """

    healthy: bool = False
    installed: bool = False
    state: str = "absent"
    release: str | None = None
    schema_version: str | None = None
    checks: list[Check] = field(default_factory=list)
    seconds: float = 0.0
    kept: dict[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class _Inside:
    """What the database says."""

    state: State
    schema_versions: list[str] = field(default_factory=list)
    codes: list[str] = field(default_factory=list)
    hashes: list[str] = field(default_factory=list)
    problem: str = ""


def examine(layout: LayoutVars, sites: Sequence[SiteVars]) -> dict[str, Report]:
    """Examine every site; the answers by slug."""
    if not sites:
        return {}
    inside = _look_inside_all(layout, sites)
    with ThreadPoolExecutor(_PARALLEL) as pool:
        reports = pool.map(lambda pair: _timed(layout, *pair), zip(sites, inside, strict=True))
        return {site["slug"]: report for site, report in zip(sites, reports, strict=True)}


def _look_inside_all(layout: LayoutVars, sites: Sequence[SiteVars]) -> list[_Inside]:
    """Ask the databases; a MariaDB that is down makes sites ill, not the question impossible.

    A run waiting for a verdict would otherwise hold the very locks that the run which starts
    MariaDB again needs. Nothing is known to be absent then.
    """
    try:
        with closing(mariadb.administrator(layout["db_socket"])) as admin:
            return [_look_inside(admin, site) for site in sites]
    except MySQLError as problem:
        return [_Inside(State.LOADING, problem=str(problem))] * len(sites)


def _look_inside(admin: Link, site: SiteVars) -> _Inside:
    state = mariadb.state_of(admin, site["database"], site["slug"])
    if state is not State.COMPLETE:
        return _Inside(state)
    try:
        return _Inside(
            state,
            base_tables.column(admin, site["database"], "migrasi", "versi_database"),
            base_tables.column(admin, site["database"], "config", "kode_desa"),
            base_tables.column(admin, site["database"], "user", "password"),
        )
    except MySQLError as problem:
        # One village's broken table must not hide how the others are.
        return _Inside(state, problem=str(problem))


def _timed(layout: LayoutVars, site: SiteVars, inside: _Inside) -> Report:
    began = time.monotonic()
    report = _examine(layout, site, inside)
    report.seconds = round(time.monotonic() - began, 3)
    return report


def _examine(layout: LayoutVars, site: SiteVars, inside: _Inside) -> Report:
    report = _presence(layout, site, inside)
    _look_aside(site, report)
    if not report.installed and report.checks[0].detail != NO_VHOST:
        if inside.problem:
            report.checks.append(Check("database", ok=False, detail=inside.problem))
        return report
    report.checks += [
        _home_check("home", layout, site, "/"),
        _home_check("login", layout, site, LOGIN_PATH),
        *_inside_checks(site, inside),
        Check("database", not inside.problem, inside.problem),
        _log_check(site),
        _config_check(site),
        *(_closed_check(layout, site, path) for path in _CLOSED_PATHS),
    ]
    report.healthy = all(check.ok for check in report.checks)
    return report


def _presence(layout: LayoutVars, site: SiteVars, inside: _Inside) -> Report:
    """Whether all parts of the site are there, some, or none."""
    folder = Path(site["folder"])
    pools = [Path(php["pool_dir"], f"siappakai-{site['slug']}.conf") for php in layout["php"]]
    note = site_tree.read_note(site["folder"])
    parts = {
        "folder": folder.is_dir(),
        "current": (folder / "current/index.php").is_file(),
        "note": bool(note) and not note.get("removing"),
        "database": inside.state is State.COMPLETE,
        "pool": any(pool.is_file() for pool in pools),
        "vhost": Path(layout["nginx_sites"], f"{site['slug']}.conf").is_file(),
    }
    missing = sorted(name for name, there in parts.items() if not there)
    # The account is the first thing made and the last removed.
    begun = len(missing) < len(parts) or inside.state is State.LOADING or _has_account(site)
    release = _current_release(folder)
    versions = inside.schema_versions
    report = Report(release=release, schema_version=versions[-1] if versions else None)
    report.installed = not missing
    report.state = "installed" if report.installed else "partial" if begun else "absent"
    detail = f"missing: {', '.join(missing)}" if missing else ""
    report.checks.append(Check("installed", report.installed, detail))
    return report


def _look_aside(site: SiteVars, report: Report) -> None:
    """Tell of a state that is kept aside, or that nobody can tell what is."""
    try:
        report.kept = journals.told(site["folder"])
    except Refusal as problem:
        report.checks.append(Check("aside", ok=False, detail=str(problem)))


def _has_account(site: SiteVars) -> bool:
    """Tell whether the site's own account is there; somebody else's of that name does not count."""
    try:
        check_account(site["unix_user"])
    except Refusal:
        return False
    return find_account(site["unix_user"]) is not None


def _current_release(folder: Path) -> str | None:
    try:
        return (folder / "current").readlink().name
    except OSError:
        return None


def _inside_checks(site: SiteVars, inside: _Inside) -> list[Check]:
    note = site_tree.read_note(site["folder"])
    release, code = _current_release(Path(site["folder"])), site["identity"]["kode_desa"]
    known = set(note.get("default_password_hashes", ()))
    return [
        Check("release", release == site["release"], f"serves {release}"),
        Check(
            "schema",
            site["schema_version"] in inside.schema_versions,
            f"has {', '.join(inside.schema_versions)}",
        ),
        Check("identity", inside.codes == [code], f"config.kode_desa is {inside.codes}"),
        _default_login_check(known, set(inside.hashes)),
    ]


def _default_login_check(known: set[str], hashes: set[str]) -> Check:
    """Whether no account has a password of the fresh application, which everybody knows."""
    detail = ""
    if not known:
        detail = "not known which passwords are the published ones. Install the site again."
    elif not hashes:
        detail = "there is no account"
    elif known & hashes:
        detail = "the published password works"
    return Check("default_login", not detail, detail)


def _log_check(site: SiteVars) -> Check:
    note = site_tree.read_note(site["folder"])
    since = applog.Mark(**note.get("log", {"name": "", "offset": 0}))
    logs = f"{site['folder']}/storage/logs"
    try:
        errors = applog.unknown_errors(logs, since, site["benign_patterns"])
    except (OSError, Refusal) as problem:
        return Check("log", ok=False, detail=str(problem))
    detail = f"{len(errors)} unknown SQL errors, first: {errors[0]}" if errors else ""
    return Check("log", not errors, detail)


def _config_check(site: SiteVars) -> Check:
    """Whether the settings the application reads are still the ones root wrote.

    They lie in the village's own folder: its PHP cannot write into them, but it can move them
    away and put its own there, which do not belong to root.
    """
    account = find_account(site["unix_user"])
    if account is None:
        return Check("config", ok=False, detail=f"no unix user {site['unix_user']}")
    wrong = tree.misowned(site["folder"], site_tree.settings(account))
    detail = f"config_replaced: {', '.join(wrong)}. Install the site again." if wrong else ""
    return Check("config", not wrong, detail)


def _home_check(name: str, layout: LayoutVars, site: SiteVars, path: str) -> Check:
    """Ask for a page, which must be whole; one single 500 is asked again.

    OpenSID throws one now and then when requests clear its cache at the same moment.
    """
    status, body = _fetch(layout, site, path)
    if status == _ERROR:
        status, body = _fetch(layout, site, path)
    whole = "</html>" in body[-2000:]
    return Check(name, status == _OK and whole, f"{status}{'' if whole else ', page cut off'}")


def _closed_check(layout: LayoutVars, site: SiteVars, path: str) -> Check:
    status, _ = _fetch(layout, site, path)
    return Check(f"closed {path}", status in {_FORBIDDEN, _NOT_FOUND}, str(status))


def _fetch(layout: LayoutVars, site: SiteVars, path: str) -> tuple[int, str]:
    """Ask nginx for a page; a connection that fails counts as status 0."""
    try:
        with closing(_connection(layout, site)) as connection:
            connection.request("GET", path, headers={"Host": _host(layout, site)})
            response = connection.getresponse()
            return response.status, response.read().decode(errors="replace")
    except (OSError, http.client.HTTPException) as problem:
        return 0, f"{type(problem).__name__}: {problem}"


def _host(layout: LayoutVars, site: SiteVars) -> str:
    port, usual = (layout["https_port"], 443) if site["certificate"] else (layout["http_port"], 80)
    return site["domain"] if port == usual else f"{site['domain']}:{port}"


def _connection(layout: LayoutVars, site: SiteVars) -> http.client.HTTPConnection:
    address = layout["http_address"] or "127.0.0.1"
    if not site["certificate"]:
        return http.client.HTTPConnection(address, layout["http_port"], timeout=_TIMEOUT_SECONDS)
    # The application is asked about here, not the certificate, which may be of any authority.
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    port = layout["https_port"]
    connection = http.client.HTTPSConnection(address, port, timeout=_TIMEOUT_SECONDS)
    plain = socket.create_connection((address, port), timeout=_TIMEOUT_SECONDS)
    connection.sock = context.wrap_socket(plain, server_hostname=site["domain"])
    return connection

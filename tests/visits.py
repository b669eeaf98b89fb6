"""Visits to installed sites through nginx, as a browser makes them."""

from __future__ import annotations

import http.client
import re
from urllib.parse import urlencode

from siappakai.ansible.inventory import SiteHost
from tests.sites import Fleet


def get(fleet: Fleet, host: SiteHost, path: str) -> tuple[int, str]:
    return ask(fleet, host, "GET", path)[:2]


def ask(
    fleet: Fleet,
    host: SiteHost,
    method: str,
    path: str,
    *,
    form: dict[str, str] | None = None,
    cookies: dict[str, str] | None = None,
) -> tuple[int, str, dict[str, str], str]:
    """Return status, body, cookies and where a redirect leads."""
    home = f"http://{host.site.domain}:{fleet.layout.http_port}"
    headers = {"Host": home.removeprefix("http://"), "Referer": f"{home}/index.php/siteman"}
    # Its table of logins insists on both, or the login fails.
    headers["User-Agent"] = "tests"
    if cookies:
        headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in cookies.items())
    if form:
        headers["Content-Type"] = "application/x-www-form-urlencoded"
    connection = http.client.HTTPConnection(fleet.address, fleet.layout.http_port, timeout=60)
    connection.request(method, path, urlencode(form) if form else None, headers)
    response = connection.getresponse()
    body = response.read().decode(errors="replace")
    given = response.msg.get_all("Set-Cookie") or []
    jar = dict(one.split(";", 1)[0].split("=", 1) for one in given)
    connection.close()
    return response.status, body, (cookies or {}) | jar, response.getheader("Location", "")


def login(fleet: Fleet, host: SiteHost, password: str) -> str:
    """Log in through nginx as a person would; return where that leads."""
    _, page, cookies, _ = ask(fleet, host, "GET", "/index.php/siteman")
    field = re.search(r'name="sidcsrf"[^>]*value="([^"]*)"', page)
    form = {
        "sidcsrf": field[1] if field else cookies["sidcsrf"],
        "username": host.secrets.admin_user,
        "password": password,
    }
    path = "/index.php/siteman/auth"
    return ask(fleet, host, "POST", path, form=form, cookies=cookies)[3]

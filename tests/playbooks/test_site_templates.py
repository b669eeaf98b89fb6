"""The files of a site say what they must, with a certificate and without."""

import re
from dataclasses import asdict
from typing import Any

import pytest

from siappakai.domain.naming import server_layout, site_names
from tests.sites import render

LAYOUT = server_layout(prefix="sp", root="/srv/siappakai", services="system", php_versions=("8.2",))
NAMES = site_names(LAYOUT, app="opensid", code="5102012001")


def _site(**changes: Any) -> dict[str, Any]:
    return asdict(NAMES) | {"domain": "bajera.desa.id", "certificate": None} | changes


def _vhost(**changes: Any) -> str:
    known = {"layout": LAYOUT.as_vars(), "site": _site()}
    return render("site-vhost.conf", **(known | changes))


def test_the_pool_is_the_villages_own() -> None:
    text = render("site-pool.conf", layout=LAYOUT.as_vars(), site=_site())
    for line in (
        "user = sp-opensid-5102012001",
        "group = sp-opensid-5102012001",
        "listen.mode = 0660",
        "pm = ondemand",
        f"php_admin_value[open_basedir] = {LAYOUT.releases}/:{NAMES.folder}/:/dev/null",
        "php_admin_value[sys_temp_dir] = /srv/siappakai/sites/opensid-5102012001/tmp",
        "php_admin_value[session.save_path] = /srv/siappakai/sites/opensid-5102012001/tmp",
        "php_admin_value[memory_limit] = 512M",
    ):
        assert line in text.splitlines()
    assert text.count("\nlisten = ") == 1


def test_without_a_certificate_the_site_speaks_plain_http() -> None:
    text = _vhost()
    assert text.count("server {") == 1
    assert "    include /etc/nginx/siappakai/listen-http;" in text.splitlines()
    assert "ssl" not in text


def test_with_a_certificate_http_only_leads_to_https() -> None:
    certificate = {"chain": "/etc/ssl/chain.pem", "key": "/etc/ssl/key.pem"}
    text = _vhost(site=_site(certificate=certificate))
    plain, secure = re.split(r"(?=^server \{)", text, flags=re.MULTILINE)[1:]
    assert "return 301 https://$host$request_uri;" in plain
    assert "fastcgi_pass" not in plain
    assert "    include /etc/nginx/siappakai/listen-http;" in plain.splitlines()
    assert "    include /etc/nginx/siappakai/listen-https;" in secure.splitlines()
    assert "ssl_certificate_key /etc/ssl/key.pem;" in secure
    assert "Strict-Transport-Security" in secure


def _denied(text: str, path: str) -> bool:
    """Whether the first regular expression that matches `path` is one that denies."""
    for pattern, body in re.findall(r"location ~ (\S+) \{\n\s+(\S+)", text):
        if re.search(pattern, path):
            return bool(body == "deny")
    return False


@pytest.mark.parametrize(
    ("path", "denied"),
    [
        ("/desa/config/database.php", True),
        ("/desa/app_key", True),
        ("/desa/upload/dokumen/ktp.pdf", True),
        ("/desa/upload/pengesahan/a.png", True),
        ("/storage/logs/log-2026-11-22.php", True),
        ("/backup_inkremental/desa.zip", True),
        ("/vendor/autoload.php", True),
        ("/.git/config", True),
        ("/desa/upload/.htaccess", True),
        ("/desa/upload/media/a.jpg", False),
        ("/assets/css/style.css", False),
        ("/index.php/siteman", False),
        ("/assets/kelola_file/dialog.php", False),
        ("/aplikasi", False),
    ],
)
def test_what_apache_would_forbid_is_forbidden(path: str, denied: bool) -> None:  # noqa: FBT001
    text = _vhost()
    assert _denied(text, path) is denied


def test_no_location_that_serves_uploads_follows_links() -> None:
    bodies = re.findall(r"location (?:~ )?(?:\^?/desa/\S*) \{\n([^}]*)\}", _vhost())
    assert len(bodies) == 2
    assert all("disable_symlinks on from=$document_root/desa;" in body for body in bodies)


def test_the_settings_of_the_application_are_plain_php() -> None:
    secrets = {"db_password": "f" * 80}
    text = render("database.php", site=_site(), secrets=secrets)
    assert text.startswith("<?php\n")
    assert f"['password'] = '{'f' * 80}';" in text
    assert "['database'] = 'sp_opensid_5102012001';" in text
    assert render("config.php").startswith("<?php\n")

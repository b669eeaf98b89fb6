"""The panel's own certificate: read as browsers are shown it, told of before it runs out."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from flask import Flask
from sqlalchemy import select

from siappakai.config import Settings
from siappakai.domain.alerts import AlertKind, Severity
from siappakai.errors import UnreachableError
from siappakai.models import Alert, db, utc_now
from siappakai.models.app import current_settings
from siappakai.services import alerts, health, own_certificate

pytestmark = pytest.mark.usefixtures("registry")

PANEL = "panel.tabanan.test"
Shown = Callable[[datetime], None]


def write_certificate(path: Path, until: datetime) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, PANEL)])
    made = (
        x509.CertificateBuilder(name, name, key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(until - timedelta(days=90))
        .not_valid_after(until)
        .sign(key, hashes.SHA256())
    )
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )


@pytest.fixture
def shown(registry: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shown]:
    """Show callers a certificate that holds until a time, as nginx does."""
    given = current_settings().model_dump(include={"state", "run_dir", "database_url"})
    registry.extensions["siappakai.settings"] = Settings(
        **given, certificate="/etc/ssl/panel.pem", allowed_hosts=["127.0.0.1", PANEL]
    )
    listening = socket.create_server(("127.0.0.1", 0))
    monkeypatch.setattr(own_certificate, "_HTTPS", listening.getsockname()[1])
    file, names = tmp_path / "shown.pem", []

    def answer() -> None:
        while True:
            with suppress(OSError):
                plain, _ = listening.accept()
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain(file)
                context.sni_callback = lambda _socket, name, _context: names.append(name)
                context.wrap_socket(plain, server_side=True).close()
            if listening.fileno() < 0:
                return

    thread = threading.Thread(target=answer, daemon=True)
    thread.start()
    yield lambda until: write_certificate(file, until)
    listening.shutdown(socket.SHUT_RDWR)
    listening.close()
    thread.join(timeout=5)
    assert set(names) <= {PANEL}


def standing() -> list[Alert]:
    own_certificate.look()
    alerts.review(since=utc_now() - timedelta(days=1))
    db.session.expire_all()
    query = select(Alert).where(
        Alert.kind == AlertKind.CERTIFICATE_EXPIRING, Alert.ended_at.is_(None)
    )
    return list(db.session.scalars(query))


def certificate_check() -> health.Check:
    (found,) = (one for one in health.checkup() if one.name == "certificate")
    return found


def test_it_is_read_even_when_it_ran_out(shown: Shown):
    until = datetime(2026, 1, 31, 23, 59, 59, tzinfo=UTC)
    shown(until)
    assert own_certificate.valid_until() == until


def test_one_that_holds_is_well(shown: Shown):
    shown(utc_now() + timedelta(days=60))
    assert standing() == []
    assert certificate_check().ok
    assert PANEL in certificate_check().detail


def test_one_that_runs_out_is_an_alert_until_it_is_renewed(shown: Shown):
    shown(utc_now() + timedelta(days=2))
    (alert,) = standing()
    assert (alert.severity, alert.label) == (Severity.CRITICAL, f"panel ({PANEL})")
    assert "/etc/ssl/panel.pem" in alerts.indonesian_story(alert).todo
    assert not certificate_check().ok
    shown(utc_now() + timedelta(days=90))
    assert standing() == []


def test_while_none_is_shown_its_alert_stands_and_the_doctor_says_so(
    shown: Shown, monkeypatch: pytest.MonkeyPatch
):
    shown(utc_now() + timedelta(days=2))
    (alert,) = standing()
    with socket.create_server(("127.0.0.1", 0)) as other:
        closed = other.getsockname()[1]
    monkeypatch.setattr(own_certificate, "_HTTPS", closed)
    with pytest.raises(UnreachableError):
        own_certificate.valid_until()
    assert standing() == [alert]
    found = certificate_check()
    assert not found.ok
    assert found.todo


def test_it_is_looked_at_every_few_minutes(shown: Shown):
    shown(utc_now() + timedelta(days=90))
    assert own_certificate.is_due()
    own_certificate.look()
    assert not own_certificate.is_due()
    assert own_certificate.is_due(utc_now() + timedelta(minutes=5))


def test_of_a_whole_domain_the_domain_is_asked_for(shown: Shown, registry: Flask):
    settings = current_settings().model_copy(update={"allowed_hosts": [f".{PANEL}"]})
    registry.extensions["siappakai.settings"] = settings
    until = utc_now().replace(microsecond=0) + timedelta(days=1)
    shown(until)
    assert own_certificate.valid_until() == until


def test_without_one_nobody_is_asked():
    assert not own_certificate.is_due()
    assert "certificate" not in {one.name for one in health.checkup()}

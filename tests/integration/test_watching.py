"""Servers looked at by the lookout: what is seen is kept, silence is noted with its cause."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from siappakai.domain.states import ServerState
from siappakai.models import Server, db, utc_now
from siappakai.models.app import current_settings
from siappakai.models.transactions import transaction
from siappakai.services import audit, enrolment, watching
from siappakai.ssh import generate_key
from tests.factories import BY, make_server, make_site
from tests.receivers import receiving

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("registry")]

EXPIRY = datetime(2027, 1, 2, 3, 4, 5, tzinfo=UTC)


def certificate(path: Path) -> str:
    """Write a certificate that holds until EXPIRY; its path."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "desa.example.id")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(EXPIRY - timedelta(days=90))
        .not_valid_after(EXPIRY)
        .sign(key, hashes.SHA256())
    )
    path.write_bytes(b"a line before\n" + made.public_bytes(serialization.Encoding.PEM))
    return str(path)


def local_server(tmp_path: Path, **fields: object) -> Server:
    return make_server(connection="local", address="127.0.0.1", root=str(tmp_path), **fields)


def test_a_look_keeps_facts_and_certificates_and_leaves_no_audit(tmp_path: Path):
    server = local_server(tmp_path, silent_since=utc_now(), silence="unreachable")
    site = make_site(server=server, certificate=certificate(tmp_path / "a.pem"))
    other = make_site(server=server, certificate=str(tmp_path / "missing.pem"))
    before = audit.list_entries().total
    watching.watch_server(server.id)
    db.session.expire_all()
    assert server.facts["disk_bytes"] > 0
    assert (server.silent_since, server.silence) == (None, "")
    assert server.probed_at is not None
    assert site.certificate_expires_at == EXPIRY
    assert other.certificate_expires_at is None
    assert audit.list_entries().total == before


def test_a_full_disk_refuses_a_new_server_but_is_seen_on_one_that_serves(registry, tmp_path: Path):
    huge = current_settings().model_copy(update={"server_min_free_bytes": 1024**6})
    registry.extensions["siappakai.settings"] = huge
    server = local_server(tmp_path)
    enrolment.probe_server(server.id, by=BY)
    assert server.facts["disk_free_bytes"] < 1024**6


def test_a_server_that_does_not_answer():
    with receiving() as gone:
        port = gone.port
    host_key = " ".join(generate_key("host")[1].split()[:2])
    server = make_server(address="127.0.0.1", port=port, host_key=host_key)
    watching.watch_server(server.id)
    db.session.expire_all()
    since = server.silent_since
    assert since is not None
    assert server.silence == "unreachable"
    later = utc_now() + timedelta(seconds=61)
    watching.watch_server(server.id, later)
    db.session.expire_all()
    assert (server.silent_since, server.watched_at) == (since, later)


def test_when_a_server_is_due():
    now = utc_now()
    server = make_server()
    make_server(state=ServerState.FORGOTTEN)
    assert watching.due_servers(now) == [server.id]
    with transaction():
        server.watched_at = now
    assert watching.due_servers(now + timedelta(seconds=299)) == []
    assert watching.due_servers(now + timedelta(seconds=300)) == [server.id]
    with transaction():
        server.silent_since = now
    assert watching.due_servers(now + timedelta(seconds=60)) == [server.id]


def test_one_that_another_lookout_took_is_left(tmp_path: Path):
    server = local_server(tmp_path, watched_at=utc_now())
    watching.watch_server(server.id)
    db.session.expire_all()
    assert server.probed_at is None

"""The panel's own SSH key: made once, its private half sealed in the registry."""

from __future__ import annotations

from sqlalchemy.exc import IntegrityError

from siappakai.credentials import load_key_ring
from siappakai.models import Setting, db
from siappakai.models.app import current_settings
from siappakai.models.transactions import transaction
from siappakai.services import audit
from siappakai.ssh import generate_key

_SETTING = "ssh_key"
_COMMENT = "siappakai"


def public_key() -> str:
    """Return the line that lets the panel in, as it stands in authorized_keys."""
    return _pair()["public"]


def private_key_text() -> str:
    """Return the panel's private key, unsealed; for a 0600 file that is deleted after use."""
    return load_key_ring(current_settings().credentials_file).unseal(_pair()["private_sealed"])


def sealed_private_key() -> str:
    """Return the panel's private key as it is stored; empty before it was made."""
    stored = db.session().get(Setting, _SETTING)
    return stored.value["private_sealed"] if stored is not None else ""


def _pair() -> dict[str, str]:
    stored = db.session().get(Setting, _SETTING)
    if stored is None:
        stored = _create_pair()
    pair: dict[str, str] = stored.value
    return pair


def _create_pair() -> Setting:
    private, public = generate_key(_COMMENT)
    sealed = load_key_ring(current_settings().credentials_file).seal(private)
    value = {"public": public, "private_sealed": sealed}
    try:
        with transaction() as session:
            stored = session.get(Setting, _SETTING)
            if stored is None:
                stored = Setting(key=_SETTING, value=value, updated_by="siappakai")
                session.add(stored)
                audit.record("ssh_key.create", public, by="siappakai")
            return stored
    except IntegrityError:
        # Another process was quicker; its pair is the one that counts.
        return db.session().get_one(Setting, _SETTING)

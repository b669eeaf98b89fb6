"""The key ring of the stored secrets, and the panel's own SSH key, which it seals."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Column, Table, select
from sqlalchemy.exc import IntegrityError

from siappakai.credentials import create_key_ring, load_key_ring
from siappakai.errors import RefusedError
from siappakai.models import Base, Setting, db
from siappakai.models.app import current_settings
from siappakai.models.transactions import transaction
from siappakai.services import audit
from siappakai.ssh import generate_key
from siappakai.wording import say

# How a column, or a key of a setting, is called when its text is sealed.
SEALED: Final = "_sealed"

_SETTING = "ssh_key"
_COMMENT = "siappakai"


def ensure_key_ring() -> None:
    """Make the key ring of a new installation; part of its setup alone.

    Raises RefusedError when the file is missing though the registry holds sealed secrets.
    """
    path = current_settings().credentials_file
    if path.exists():
        return
    if sealed_example():
        raise RefusedError(
            say(
                "Berkas kunci %(path)s tidak ada, padahal registri berisi rahasia tersegel.",
                path=path,
            ),
            say("Kembalikan berkas itu dari cadangan: kunci baru tidak membuka rahasia lama."),
        )
    create_key_ring(path)


def sealed_example() -> str:
    """Return one sealed secret of the registry, or nothing when it holds none."""
    for _table, columns in sealed_columns():
        for column in columns:
            if found := db.session.scalar(select(column).where(column != "").limit(1)):
                return str(found)
    return sealed_private_key()


def sealed_columns() -> list[tuple[Table, list[Column[Any]]]]:
    """Return the tables that hold sealed texts, with the columns that do."""
    found = (
        (table, [column for column in table.columns if column.name.endswith(SEALED)])
        for table in Base.metadata.sorted_tables
    )
    return [(table, columns) for table, columns in found if columns]


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
    try:
        with transaction() as session:
            stored = session.get(Setting, _SETTING)
            if stored is None:
                sealed = load_key_ring(current_settings().credentials_file).seal(private)
                value = {"public": public, "private_sealed": sealed}
                stored = Setting(key=_SETTING, value=value, updated_by="siappakai")
                session.add(stored)
                audit.record("ssh_key.create", public, by="siappakai")
            return stored
    except IntegrityError:
        # Another process was quicker; its pair is the one that counts.
        return db.session().get_one(Setting, _SETTING)

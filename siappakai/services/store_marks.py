"""The mark of ours that lies in every store: it tells that the store is the one it was.

A folder whose disk is not mounted has none, and is not taken for a store that lost everything. The
same folder or bucket given under two names shows one mark, and does not pass for two stores.
"""

from __future__ import annotations

import re
import secrets
from typing import Final

from siappakai.domain.stores import DeletionRefusedError, Vault
from siappakai.errors import NotFoundError, RefusedError
from siappakai.wording import say

MARKER: Final = "siappakai-store"
TRIAL: Final = "siappakai-trial"
_MARK: Final = re.compile(r"SiapPakai ([0-9a-f]{32})\n")
_MOST: Final = 1024


def leave(vault: Vault, name: str) -> str:
    """Return the mark of a store, written there when it has none.

    Raises RefusedError when it is not there afterwards, and the errors of the store.
    """
    found = _found(vault)
    if found:
        return found
    mark = secrets.token_hex(16)
    _write(vault, MARKER, f"SiapPakai {mark}\n")
    recognise(vault, name, mark)
    return mark


def recognise(vault: Vault, name: str, mark: str | None) -> None:
    """Make sure that a store is the one it was; raises RefusedError when it is not."""
    if not mark or _found(vault) != mark:
        raise RefusedError(
            say(
                "Penyimpanan %(name)s bukan yang dahulu: berkas %(marker)s tidak ada di sana.",
                name=name,
                marker=MARKER,
            ),
            say(
                "Pasang kembali disknya. Bila memang dikosongkan, hapus penyimpanan itu di sini"
                " dan tambahkan lagi."
            ),
        )


def can_delete(vault: Vault) -> bool:
    """Try out whether what is written into a store can be deleted there."""
    _write(vault, TRIAL, TRIAL)
    try:
        vault.delete(TRIAL)
    except DeletionRefusedError:
        return False
    return True


def _found(vault: Vault) -> str:
    """Return the mark that lies in a store; empty when there is none."""
    text = b""
    try:
        for piece in vault.read(MARKER):
            text += piece
            if len(text) > _MOST:
                break
    except NotFoundError:
        return ""
    match = _MARK.fullmatch(text.decode(errors="replace"))
    return match[1] if match else ""


def _write(vault: Vault, name: str, text: str) -> None:
    content = text.encode()
    upload = vault.upload(name, len(content))
    upload.write(content[upload.offset :])
    upload.finish()

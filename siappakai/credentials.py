"""Secrets at rest: sealed with a key ring that lies outside the registry; and made here."""

from __future__ import annotations

import base64
import os
import re
import secrets
import string
import tempfile
from contextlib import suppress
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from pyrage import DecryptError, IdentityError, decrypt, encrypt, x25519

from siappakai.errors import InvalidInputError, RefusedError, SiapPakaiError
from siappakai.wording import say

_ALPHABET = string.ascii_letters + string.digits
# Read aloud or typed from paper: no 0/O, 1/l/I.
_READABLE = "".join(sorted(set(_ALPHABET) - set("0O1lI")))

_ARMOR = re.compile(
    "-----BEGIN AGE ENCRYPTED FILE-----.*-----END AGE ENCRYPTED FILE-----", re.DOTALL
)
_IDENTITY = re.compile("AGE-SECRET-KEY-1[0-9A-Z]{58}")

_SYMBOLS = "#%+-=@"
_KINDS = (string.digits, string.ascii_lowercase, string.ascii_uppercase, _SYMBOLS)


class KeyRing:
    """Seals and unseals text. The first key seals; all of them unseal (rotation)."""

    def __init__(self, keys: list[bytes]) -> None:
        self._fernet = MultiFernet([Fernet(key) for key in keys])

    def seal(self, text: str) -> str:
        return self._fernet.encrypt(text.encode()).decode()

    def unseal(self, token: str) -> str:
        """Return the sealed text; raises SiapPakaiError when no key of the ring fits."""
        try:
            return self._fernet.decrypt(token.encode()).decode()
        except InvalidToken:
            raise _unopened() from None

    def reseal(self, token: str) -> str:
        """Return the same secret sealed with the first key; raises SiapPakaiError as `unseal`."""
        try:
            return self._fernet.rotate(token.encode()).decode()
        except InvalidToken:
            raise _unopened() from None


def _unopened() -> SiapPakaiError:
    return SiapPakaiError(
        say("Rahasia tersimpan tidak dapat dibuka dengan kunci yang ada."),
        say("Kembalikan berkas credentials.key milik registri ini."),
    )


def new_age_pair() -> tuple[str, str]:
    """Return a new key pair of age: the private one, which opens, and the public one."""
    identity = x25519.Identity.generate()
    return str(identity), str(identity.to_public())


def seal_text(content: bytes, recipient: str) -> str:
    """Return `content` as armored text that opens with the private key of `recipient` alone."""
    sealed: bytes = encrypt(content, [x25519.Recipient.from_str(recipient)], armored=True)
    return sealed.decode()


def open_text(text: str, identity: str) -> bytes:
    """Return what was sealed, from a text that holds it among other lines.

    Raises InvalidInputError (field `kit`) for a text that holds nothing sealed, RefusedError for
    another key than its own and for what is damaged.
    """
    found = _ARMOR.search(text)
    if found is None:
        raise InvalidInputError(
            say("Itu bukan kit pemulihan."),
            say("Berkasnya harus utuh, dengan bagian BEGIN AGE sampai END AGE."),
            field="kit",
        )
    armored = "\n".join(line.strip() for line in found[0].splitlines() if line.strip())
    try:
        content: bytes = decrypt(armored.encode() + b"\n", [identity_of(identity)])
    except DecryptError:
        raise RefusedError(
            say("Kunci itu tidak membuka kit ini, atau kitnya rusak."),
            say("Pakai kunci pemulihan yang disebut di kit, atau salinan kit yang lain."),
        ) from None
    return content


def identity_of(text: str) -> x25519.Identity:
    """Return the private key in a text that may hold other lines; InvalidInputError (`key`)."""
    found = _IDENTITY.search(text)
    try:
        return x25519.Identity.from_str(found[0] if found else "")
    except IdentityError:
        raise InvalidInputError(
            say("Itu bukan kunci pemulihan."),
            say("Kuncinya dimulai dengan AGE-SECRET-KEY-1."),
            field="key",
        ) from None


def load_key_ring(path: Path) -> KeyRing:
    """Open the key ring at `path` (one key a line); raises SiapPakaiError when it is missing."""
    return KeyRing(read_keys(path))


def read_keys(path: Path) -> list[bytes]:
    """Return the keys of the ring at `path`, the one that seals first; raises SiapPakaiError."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise SiapPakaiError(
            say("Berkas kunci %(path)s tidak ada.", path=path),
            say(
                "Kembalikan dari cadangan; hanya pada pemasangan baru: siappakai registry upgrade."
            ),
        ) from None
    keys = [line.strip() for line in content.splitlines() if line.strip()]
    if not keys:
        raise SiapPakaiError(
            say("Berkas kunci %(path)s kosong.", path=path),
            say("Kembalikan dari cadangan; jangan membuat yang baru."),
        )
    return keys


def new_key() -> bytes:
    """Return a key for a ring."""
    return Fernet.generate_key()


def create_key_ring(path: Path) -> None:
    """Make a key ring (0600) at `path`, whole or not at all; one that is there stays.

    Only a new installation may: a second key opens nothing that the first has sealed.
    """
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".credentials-") as file:
        file.write(new_key() + b"\n")
        file.flush()
        os.fsync(file.fileno())
        # Of two that come here at once, the first wins.
        with suppress(FileExistsError):
            os.link(file.name, path)
    _sync_folder(path.parent)


def write_key_ring(path: Path, keys: list[bytes]) -> None:
    """Put `keys` in place of the ring at `path`, whole or not at all, on disk when it returns."""
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".credentials-", delete=False) as file:
        file.write(b"".join(key + b"\n" for key in keys))
        file.flush()
        os.fsync(file.fileno())
    Path(file.name).replace(path)
    _sync_folder(path.parent)


def _sync_folder(path: Path) -> None:
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def random_password(length: int) -> str:
    """Return a random password of letters and digits."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


def readable_password(length: int = 16) -> str:
    """Return a random password without characters that look alike.

    It holds a digit, both cases and a symbol: OpenSID sends an administrator whose password
    lacks one of them to the page for changing it (User_model::syarat_sandi).
    """
    while True:
        password = "".join(secrets.choice(_READABLE + _SYMBOLS) for _ in range(length))
        if all(set(password) & set(kind) for kind in _KINDS):
            return password


def new_app_key() -> str:
    """Return an OpenSID app key: `base64:` and 32 random bytes, the form Laravel asks for."""
    return "base64:" + base64.b64encode(secrets.token_bytes(32)).decode()

"""Key pairs: read as they are pasted, and made anew."""

from __future__ import annotations

import binascii
import io

import paramiko
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from siappakai.errors import InvalidInputError
from siappakai.wording import say

_KEY_CLASSES = (paramiko.Ed25519Key, paramiko.ECDSAKey, paramiko.RSAKey)


def load_private_key(text: str) -> paramiko.PKey:
    """Return the private key written in `text`; raises InvalidInputError (`private_key`)."""
    for kind in _KEY_CLASSES:
        try:
            return kind.from_private_key(io.StringIO(text.strip() + "\n"))
        except paramiko.PasswordRequiredException:
            raise InvalidInputError(
                say("Kunci privat itu terkunci frasa sandi."),
                say("Berikan kunci tanpa frasa sandi, atau pakai kata sandi akun."),
                field="private_key",
            ) from None
        except (paramiko.SSHException, ValueError, UnsupportedAlgorithm, binascii.Error):
            continue
    raise InvalidInputError(
        say("Teks itu bukan kunci privat SSH yang dikenal."),
        say("Tempel berkas kunci Ed25519, ECDSA atau RSA seutuhnya."),
        field="private_key",
    )


def generate_key(comment: str) -> tuple[str, str]:
    """Return a new Ed25519 pair: the private key's text and the public key's line."""
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.OpenSSH,
        serialization.NoEncryption(),
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    )
    return private.decode(), f"{public.decode()} {comment}"

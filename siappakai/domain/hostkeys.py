"""The public keys machines show over SSH."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class HostKey:
    """A machine's public key: its type (`ssh-ed25519`) and its base64 body."""

    type: str
    base64: str

    @classmethod
    def parse(cls, line: str) -> Self:
        """Return the key written `type base64`, the form the registry keeps."""
        kind, body = line.split()[:2]
        return cls(kind, body)

    @property
    def line(self) -> str:
        return f"{self.type} {self.base64}"

    @property
    def fingerprint(self) -> str:
        """`SHA256:…`, as ssh-keygen prints it."""
        digest = hashlib.sha256(base64.b64decode(self.base64)).digest()
        return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")

"""What is secret of a site: made at random, hashed once, sealed before it is stored."""

from __future__ import annotations

from dataclasses import dataclass, replace

import bcrypt

from siappakai.credentials import load_key_ring, new_app_key, random_password, readable_password
from siappakai.domain.naming import DB_PASSWORD_LENGTH
from siappakai.models.app import current_settings

# A slow hash protects guessable passwords; 16 random characters (some 94 bits) are not, and an
# import makes hundreds at once.
_HASH_ROUNDS = 6


@dataclass(frozen=True, slots=True)
class SealedSecrets:
    """What is secret of a new site, as the registry keeps it."""

    db_password_sealed: str
    app_key_sealed: str
    admin_password_sealed: str
    admin_password_hash: str


def new_secrets() -> SealedSecrets:
    """Make the secrets of a new site."""
    ring = load_key_ring(current_settings().credentials_file)
    password = readable_password()
    return SealedSecrets(
        db_password_sealed=new_db_password(),
        app_key_sealed=ring.seal(new_app_key()),
        admin_password_sealed=ring.seal(password),
        # Made once, not per run: bcrypt salts anew each time, and a second install of a finished
        # site must find nothing to change.
        admin_password_hash=password_hash(password),
    )


def password_hash(password: str) -> str:
    """Return the hash that OpenSID keeps of a password."""
    hashed = bcrypt.hashpw(password.encode(), bcrypt.gensalt(_HASH_ROUNDS)).decode()
    # The name PHP gives the same algorithm.
    return hashed.replace("$2b$", "$2y$", 1)


def new_db_password() -> str:
    """Make a password for a site's database user, sealed."""
    ring = load_key_ring(current_settings().credentials_file)
    return ring.seal(random_password(DB_PASSWORD_LENGTH))


def sealed_now(made: SealedSecrets | None) -> SealedSecrets:
    """Return secrets made before a transaction as they are sealed inside it, or new ones.

    Making them takes long; the key may have been changed meanwhile (rotation).
    """
    if made is None:
        return new_secrets()
    ring = load_key_ring(current_settings().credentials_file)
    return replace(
        made,
        db_password_sealed=ring.reseal(made.db_password_sealed),
        app_key_sealed=ring.reseal(made.app_key_sealed),
        admin_password_sealed=ring.reseal(made.admin_password_sealed),
    )


def unsealed(sealed: str) -> str:
    """Return one of them in clear; raises the errors of a missing or wrong key ring."""
    return load_key_ring(current_settings().credentials_file).unseal(sealed)

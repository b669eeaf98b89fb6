"""`siappakai token`: tokens of the API, which let programs act for a person."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

import click

from siappakai.cli.accounts import user_named
from siappakai.cli.command import Group
from siappakai.cli.context import actor, is_rehearsal
from siappakai.cli.output import Column, Listing
from siappakai.domain.tokens import LONGEST_DAYS, Scope
from siappakai.models import ApiToken
from siappakai.services import tokens

_SCOPES = click.Choice([scope.value for scope in Scope])


@dataclass(frozen=True, slots=True)
class TokenRecord:
    """A token of the API; its secret is kept nowhere."""

    id: Annotated[int, Column("Nomor", "its number")]
    user: Annotated[str, Column("Pengguna", "whom it acts for")]
    name: Annotated[str, Column("Nama", "what it is for")]
    handle: Annotated[str, Column("Pengenal", "its public part, after `siappakai_`")]
    scopes: Annotated[list[str], Column("Cakupan", "what it may do at most")]
    state: Annotated[str, Column("Keadaan", "live, expired or revoked")]
    created_at: Annotated[datetime, Column("Dibuat", "when it was made", is_listed=False)]
    expires_at: Annotated[datetime, Column("Berlaku sampai", "when it ends")]
    used_at: Annotated[datetime | None, Column("Terakhir dipakai", "last use, to the minute")]
    used_from: Annotated[str, Column("Dari", "address of the last use", is_listed=False)]
    revoked_at: Annotated[
        datetime | None, Column("Dicabut", "when it was revoked", is_listed=False)
    ]


@dataclass(frozen=True, slots=True)
class NewToken:
    """A token that was just made; its text cannot be shown again. Secret."""

    token: Annotated[TokenRecord, Column("Token", "what is kept of it")]
    text: Annotated[str | None, Column("Nilai", "the token, in clear; null in a rehearsal")]


token = Group("token", help="Tokens of the API: make, list and revoke them.")


@token.command("list", example="siappakai token list --user wayan")
@click.option("--user", "username", help="Only tokens of this person.")
def list_tokens(username: str | None) -> Listing[TokenRecord]:
    """List tokens, newest first, those that ended too."""
    user_id = user_named(username).id if username else None
    return Listing.of(_record(one) for one in tokens.list_tokens(user_id))


@token.command(
    "create",
    changes=True,
    example='siappakai token create wayan --name "Laporan" --scope villages:read --days 90',
)
@click.argument("username")
@click.option("--name", required=True, help="What it is for.")
@click.option("--scope", "scopes", type=_SCOPES, multiple=True, required=True, help="Repeatable.")
@click.option(
    "--days", type=click.IntRange(1, LONGEST_DAYS), required=True, help="How long it lives."
)
def create_token(username: str, *, name: str, scopes: tuple[str, ...], days: int) -> NewToken:
    """Make a token that acts for a person, within its scopes and that person's role.

    It is shown once.
    """
    made, text = tokens.create_token(
        user_named(username).id, name=name, scopes=scopes, days=days, by=actor()
    )
    return NewToken(_record(made), None if is_rehearsal() else text)


@token.command("revoke", changes=True, example="siappakai token revoke 3")
@click.argument("number", type=int)
def revoke_token(number: int) -> TokenRecord:
    """Take a token back at once."""
    return _record(tokens.revoke_token(number, by=actor()))


def _record(found: ApiToken) -> TokenRecord:
    return TokenRecord(
        id=found.id,
        user=found.user.username,
        name=found.name,
        handle=found.handle,
        scopes=list(found.scopes),
        state=tokens.state_of(found).value,
        created_at=found.created_at,
        expires_at=found.expires_at,
        used_at=found.used_at,
        used_from=found.used_from,
        revoked_at=found.revoked_at,
    )

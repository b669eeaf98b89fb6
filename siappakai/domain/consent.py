"""What a village lets the regency have of its data; pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum

from siappakai.errors import InvalidInputError
from siappakai.wording import say


class Share(StrEnum):
    """How a data group is shared: as it is, under pseudonyms, or not at all."""

    FULL = "full"
    MASKED = "masked"
    WITHHELD = "withheld"


_RANK = (Share.WITHHELD, Share.MASKED, Share.FULL)
# Groups of tables (playbooks/references.yml). Age classes are shared always: they tell of nobody.
GROUPS = (
    "kependudukan",
    "keluarga",
    "wilayah",
    "bantuan",
    "kesehatan",
    "keuangan",
    "surat",
    "pertanahan",
    "inventaris",
    "artikel",
    "analisis",
    "pembangunan",
    "kelembagaan",
    "layanan",
    "sistem",
)


def read_shares(
    changes: Iterable[str], *, otherwise: Mapping[str, str] | None = None, all_as: str | None = None
) -> dict[str, str]:
    """Return the share of every group, from `group=share` and what stands otherwise.

    Raises InvalidInputError (field `share`) for an unknown group or share, and when a group is
    left undecided.
    """
    shares = dict(otherwise or {})
    if all_as is not None:
        shares = dict.fromkeys(GROUPS, _share(all_as))
    for change in changes:
        group, _, share = change.partition("=")
        if group not in GROUPS:
            raise _bad(change, say("Kelompok data: %(groups)s.", groups=", ".join(GROUPS)))
        shares[group] = _share(share)
    if undecided := [group for group in GROUPS if group not in shares]:
        raise _bad(
            ", ".join(undecided), say("Putuskan setiap kelompok: full, masked atau withheld.")
        )
    return shares


def narrowed(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """Return the groups of which less is shared than before; a group not named is not shared."""
    return [
        group
        for group in GROUPS
        if _RANK.index(before.get(group, Share.WITHHELD))
        > _RANK.index(after.get(group, Share.WITHHELD))
    ]


def _share(text: str) -> str:
    if text not in set(Share):
        raise _bad(text, say("Pilih full, masked atau withheld."))
    return str(text)


def _bad(value: str, todo: str) -> InvalidInputError:
    return InvalidInputError(
        say("Persetujuan “%(value)s” belum jelas.", value=value), todo, field="share"
    )

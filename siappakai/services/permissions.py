"""The least role that may ask for each play, whichever way it is asked for."""

from __future__ import annotations

from typing import Final

from siappakai.models import Role

_LEAST: Final = {
    "server": Role.ADMIN,
    "install": Role.OPERATOR,
    "health": Role.OPERATOR,
    "remove": Role.ADMIN,
}


def least_role(play: str) -> Role:
    """Return the lowest role that may ask for `play`; an administrator's when none is set."""
    return _LEAST.get(play, Role.ADMIN)

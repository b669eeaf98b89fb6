"""A database password changed while people use the site: on the way both are good.

Site and database cannot change in one instant; whoever asks in between must get in as well.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .driver import Link

_WAY = "mysql_native_password"


def admit(link: Link, user: str, password: str) -> None:
    """Let a user in with `password` besides those that are good now; who is not there stays away.

    mariadb.create_user ends it: only the password given there is good then.
    """
    present = _hashes(link, user)
    if not present:
        return
    ways = [f"{_WAY} USING PASSWORD(%s)", *[f"{_WAY} USING %s"] * len(present)]
    with link.cursor() as cursor:
        cursor.execute(
            f"ALTER USER %s@localhost IDENTIFIED VIA {' OR '.join(ways)}",
            (user, password, *present),
        )


def admits_another(link: Link, user: str) -> bool:
    """Tell whether more than one password is good for a user."""
    return len(_hashes(link, user)) > 1


def _hashes(link: Link, user: str) -> list[str]:
    with link.cursor() as cursor:
        cursor.execute(
            "SELECT Priv FROM mysql.global_priv WHERE Host = 'localhost' AND User = %s", (user,)
        )
        row = cursor.fetchone()
    if row is None:
        return []
    known = json.loads(row[0])
    # The first way stands outside the list, which holds an empty place for it.
    ways = [known, *known.get("auth_or", [])]
    return [way["authentication_string"] for way in ways if way.get("plugin") == _WAY]

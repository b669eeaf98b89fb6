"""A database password changed while people use the site: on the way both are good.

Site and database cannot change in one instant; whoever asks in between must get in as well.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from . import tree

if TYPE_CHECKING:
    from .driver import Link

_SETTING = re.compile(r"\['password'\] = '([A-Za-z0-9]+)';")


def in_use(folder: str) -> str:
    """Return the password a site's settings hold; empty when they hold none of ours.

    No link is followed on the way: the folder may be the village's.
    """
    settings = tree.read_file(folder, "desa/config/database.php") or b""
    found = _SETTING.search(settings.decode(errors="replace"))
    return found[1] if found else ""


def admit(link: Link, user: str, password: str, present: str) -> None:
    """Let a user in with `password` besides the `present` one, until `keep_only`.

    A user that is not there stays away.
    """
    if _ways(link, user) == 0:
        return
    way = "mysql_native_password USING PASSWORD(%s)"
    with link.cursor() as cursor:
        cursor.execute(
            f"ALTER USER %s@localhost IDENTIFIED VIA {way} OR {way}", (user, password, present)
        )


def admits_another(link: Link, user: str) -> bool:
    """Tell whether more than one password is good for a user."""
    return _ways(link, user) > 1


def keep_only(link: Link, user: str, password: str) -> None:
    """End what `admit` began; the user's rights are not touched for an instant."""
    with link.cursor() as cursor:
        cursor.execute("ALTER USER %s@localhost IDENTIFIED BY %s", (user, password))


def _ways(link: Link, user: str) -> int:
    with link.cursor() as cursor:
        cursor.execute(
            "SELECT Priv FROM mysql.global_priv WHERE Host = 'localhost' AND User = %s", (user,)
        )
        row = cursor.fetchone()
    # With several ways the list has a place for each, the first one's empty.
    return max(1, len(json.loads(row[0]).get("auth_or", []))) if row else 0

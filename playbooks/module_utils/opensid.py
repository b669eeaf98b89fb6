"""What is particular to OpenSID: its files, its pages, its tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from .driver import Link
    from .variables import IdentityVars

# Linked from each view into the release; what a release does not have is left out.
LINKED = (
    "app",
    "donjo-app",
    "resources",
    "vendor",
    "Modules",
    "favicon.ico",
    "robots.txt",
    "LICENSE",
    "catatan_rilis.md",
)
# The file manager finds its uploads relative to its own place, so it must lie in the view.
COPIED_ASSET = "kelola_file"
# Made by the router on the first request, which a read-only release forbids.
EMPTY_FOLDER = "donjo-app/Middleware"
LOGIN_PATH = "/index.php/siteman"
# The seeder alone takes 6-40 s.
SEEDING_SECONDS = 300
ERROR_PATTERN = r"SQLSTATE|Error Number|Gagal Jalankan"
# What any visitor can make the log say: a login without these headers is not counted, and the
# column that counts it must not be empty. It says nothing of the site's health.
VISITORS_PATTERN = r"1048 Column '(user_agent|referer)' cannot be null"


class Seeded(TypedDict):
    """What a freshly seeded database says of itself."""

    schema_versions: list[str]
    tables: int
    password_hashes: list[str]


def seeded(link: Link) -> Seeded:
    """Read what seeding left in the database that `link` is connected to."""
    with link.cursor() as cursor:
        cursor.execute("SELECT versi_database FROM migrasi ORDER BY versi_database")
        versions = [str(row[0]) for row in cursor.fetchall()]
        cursor.execute("SELECT password FROM user ORDER BY id")
        hashes = [str(row[0]) for row in cursor.fetchall()]
        cursor.execute(
            "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE()"
        )
        (tables,) = cursor.fetchone() or (0,)
    return {"schema_versions": versions, "tables": int(tables), "password_hashes": hashes}


def write_identity(
    link: Link, identity: IdentityVars, app_key: str, user: str, password_hash: str
) -> bool:
    """Give a seeded database its owner in one transaction; False when it has not one village.

    The first account gets `user` and `password_hash`, any other seeded one a hash that no
    password has: nobody knows their passwords but the world.
    """
    columns = {**identity, "app_key": app_key}
    assignments = ", ".join(f"`{column}` = %s" for column in columns)
    with link.cursor() as cursor:
        link.begin()
        cursor.execute("SELECT id FROM config")
        villages = cursor.fetchall()
        cursor.execute("SELECT MIN(id) FROM user")
        (first,) = cursor.fetchone() or (None,)
        if len(villages) != 1 or first is None:
            link.rollback()
            return False
        cursor.execute(f"UPDATE config SET {assignments}", tuple(columns.values()))  # noqa: S608 - columns as our plays name them; values apart
        cursor.execute("UPDATE user SET password = '!', session = MD5(UUID())")
        cursor.execute(
            "UPDATE user SET username = %s, password = %s WHERE id = %s",
            (user, password_hash, first),
        )
        link.commit()
    return True

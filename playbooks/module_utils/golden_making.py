"""Making the golden snapshot: the application seeds a throw-away village, which is kept."""

from __future__ import annotations

import shutil
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from . import golden, mariadb, seeding, site_tree, tree
from .account import check_account, create_account, find_account, group_id, remove_account
from .fence import hold
from .outcome import Refusal
from .releases import is_present, php_of, release_folder
from .view import build_view

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .account import Account
    from .driver import Link
    from .order import Order

SEEDING_PATIENCE_SECONDS = 600.0


def make_golden(order: Order) -> str:
    """Make the snapshot unless a good one is there; return why it was made, empty if not.

    `order.site` is the throw-away village that seeds it.

    Raises Refusal; whatever was begun for it is gone afterwards.
    """
    layout, release, site = order.layout, order.release, order.site
    folder = golden.golden_folder(layout, release["app"], release["version"])
    php_of(layout, release, site["php"])
    with hold(layout["lock_dir"], ".golden", patience=SEEDING_PATIENCE_SECONDS):
        reason = golden.why_unusable(folder, release)
        if not reason or order.dry:
            return reason
        if not is_present(layout, release):
            raise Refusal(
                "release_missing",
                f"Release {release['version']} is not on this server, so it cannot be seeded."
                " Run the whole install playbook.",
                release=release["version"],
            )
        with _village(order) as account:
            _seed(order, account, folder)
    return reason


def _seed(order: Order, account: Account, folder: Path) -> None:
    layout, site, release = order.layout, order.site, order.release
    village = Path(site["folder"])
    entries = site_tree.village_folder(
        account, group_id(layout["web_user"]), order.files, order.secrets["app_key"]
    )
    tree.apply(site["folder"], [*site_tree.skeleton(account, site["release"]), *entries])
    build_view(
        site["folder"],
        str(release_folder(layout, release["app"], release["version"])),
        site["release"],
    )
    found = seeding.seed(
        seeding.Nursery(
            folder=site["folder"],
            view=f"{site['folder']}/rel/{site['release']}",
            host=site["domain"],
            pool=order.files["pool"],
            php=php_of(layout, release, site["php"]),
            layout=layout,
            database=site["database"],
            db_user=site["db_user"],
            db_password=order.secrets["db_password"],
            schema_version=release["schema_version"],
            benign_patterns=release["benign_patterns"],
        )
    )
    golden.keep(
        folder,
        release=release,
        php=site["php"],
        db_socket=layout["db_socket"],
        database=site["database"],
        village=village / "desa",
        found=found,
    )


@contextmanager
def _village(order: Order) -> Iterator[Account]:
    """Give the throw-away village account, database and folder, and take all away again."""
    site, secrets = order.site, order.secrets
    check_account(site["unix_user"])
    account = find_account(site["unix_user"]) or create_account(
        site["unix_user"], site["folder"], order.layout["lock_dir"]
    )
    with closing(mariadb.administrator(order.layout["db_socket"])) as admin:
        if mariadb.state_of(admin, site["database"], site["slug"]) is mariadb.State.FOREIGN:
            raise Refusal(
                "database_exists",
                f"A database {site['database']} exists that is not ours. Rename or drop it.",
                database=site["database"],
            )
        try:
            _clear(order, admin)
            Path(site["folder"]).mkdir()
            Path(site["folder"]).chmod(0o711)
            mariadb.create_database(admin, site["database"], site["slug"])
            mariadb.create_user(admin, site["db_user"], secrets["db_password"], site["database"])
            yield account
        finally:
            _clear(order, admin)
            remove_account(site["unix_user"], order.layout["lock_dir"])


def _clear(order: Order, admin: Link) -> None:
    mariadb.drop_user(admin, order.site["db_user"])
    mariadb.drop_database(admin, order.site["database"])
    folder = Path(order.site["folder"])
    if folder.exists():
        shutil.rmtree(folder)

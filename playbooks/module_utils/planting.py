"""What fills a new site: the golden snapshot of its release, or the application's own seeder."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from . import golden, opensid, seeding, site_tree, tree
from .account import group_id
from .driver import connect
from .outcome import Refusal
from .releases import php_of

if TYPE_CHECKING:
    from .account import Account
    from .driver import Link
    from .order import Order


class Seed(Protocol):
    """Where the first files and rows of a site come from.

    `remembered` goes into the note beside the site.
    """

    remembered: Mapping[str, Any]

    def told(self, order: Order) -> str:
        """Return the detail of the step that fills the database."""

    def fill_folder(self, order: Order, fresh: Path, account: Account, web_group: int) -> None:
        """Put the village's first files into the empty folder `fresh`."""

    def fill_database(self, order: Order, account: Account) -> Sequence[str]:
        """Fill the empty database; return the password hashes the whole world knows."""


class FromRelease:
    """A fresh village, its identity written over what the release seeds."""

    remembered: Mapping[str, Any] = {}

    def told(self, order: Order) -> str:
        """Say whether it is cloned, and why if not."""
        reason = golden.why_unusable(_golden(order), order.release)
        return f"seeded by the application, as {reason}" if reason else "cloned"

    def fill_folder(self, order: Order, fresh: Path, account: Account, web_group: int) -> None:
        """Clone the files of the snapshot, if there is a good one."""
        if not golden.why_unusable(_golden(order), order.release):
            golden.clone_files(_golden(order), fresh, account, web_group)

    def fill_database(self, order: Order, account: Account) -> Sequence[str]:
        """Clone the snapshot, or let the application seed; then say whose it is."""
        reason = golden.why_unusable(_golden(order), order.release)
        hashes = _seed(order, account) if reason else _clone(order)
        _write_identity(order)
        return hashes


FROM_RELEASE = FromRelease()


def _clone(order: Order) -> Sequence[str]:
    with closing(village_link(order)) as link:
        golden.clone_database(_golden(order), link)
    return known_hashes(order)


def _seed(order: Order, account: Account) -> Sequence[str]:
    site, folder = order.site, order.site["folder"]
    found = seeding.seed(
        seeding.Nursery(
            folder=folder,
            view=f"{folder}/rel/{site['release']}",
            host=site["domain"],
            pool=order.files["pool"],
            php=php_of(order.layout, order.release, site["php"]),
            layout=order.layout,
            database=site["database"],
            db_user=site["db_user"],
            db_password=order.secrets["db_password"],
            schema_version=site["schema_version"],
            benign_patterns=site["benign_patterns"],
        )
    )
    # The seeder made up a key and remembers a nameless village: ours, and nothing, instead.
    web_group = group_id(order.layout["web_user"])
    key = order.secrets["app_key"]
    tree.apply(folder, site_tree.village_folder(account, web_group, order.files, key))
    for cache in (Path(folder, "desa/cache"), Path(folder, f"storage/fw/{site['release']}/cache")):
        for child in cache.iterdir() if cache.is_dir() else ():
            if child.is_dir() and not child.is_symlink():
                shutil.rmtree(child)
            else:
                child.unlink()
    return found["password_hashes"]


def _write_identity(order: Order) -> None:
    secrets = order.secrets
    with closing(village_link(order)) as link:
        written = opensid.write_identity(
            link,
            order.site["identity"],
            secrets["app_key"],
            secrets["admin_user"],
            secrets["admin_password_hash"],
        )
    if not written:
        raise Refusal(
            "seed_unexpected",
            "The fresh database does not hold exactly one village and an account. Check the"
            " release and its golden snapshot.",
        )


def village_link(order: Order) -> Link:
    """Connect to a site's database as its own user."""
    site = order.site
    return connect(
        order.layout["db_socket"],
        site["db_user"],
        order.secrets["db_password"],
        site["database"],
    )


def _golden(order: Order) -> Path:
    return golden.golden_folder(order.layout, order.site["app"], order.site["release"])


def known_hashes(order: Order) -> Sequence[str]:
    """Return the password hashes the site's release is published with, as far as we know them."""
    manifest = golden.read_manifest(_golden(order))
    return manifest["password_hashes"] if manifest else ()

"""Removing one site: archived and verified first, then nothing is left of it.

Each stage leaves a trace that the next call finds, so that a removal cut short is finished
without ever archiving what is half gone.
"""

from __future__ import annotations

import shutil
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from . import archive, aside, journals, mariadb, site_tree, tree
from .account import check_account, find_account, remove_account
from .closing import close, empty, reopen
from .fence import fenced
from .mariadb import State
from .outcome import Refusal, Step

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .driver import Link
    from .outcome import Steps
    from .variables import LayoutVars, SiteVars


@dataclass(frozen=True)
class Order:
    """The site that shall go, and where things lie."""

    layout: LayoutVars
    site: SiteVars
    dry: bool = False


def remove(order: Order, steps: Steps) -> str:
    """Remove the site; return the folder of its archive, empty when there was nothing to keep.

    Raises Refusal, before anything is destroyed, when the archive cannot be made whole.
    """
    layout, site = order.layout, order.site
    with (
        fenced(layout["lock_dir"], site["slug"], site["run_token"], dry=order.dry),
        closing(mariadb.administrator(layout["db_socket"])) as admin,
    ):
        with steps.step("check"):
            journals.require_rest(site)
            state = _check(order, admin)
        with steps.step("close") as step:
            _close(order, step)
        with steps.step("archive") as step:
            try:
                kept = _archive(order, admin, state, step)
            finally:
                # Without an archive the site stays; with one there is nothing to open.
                if not order.dry:
                    reopen(site["folder"])
        with steps.step("vhost") as step:
            _unlink(order, _configurations(order), step)
        with steps.step("database") as step:
            _drop(order, admin, state, step)
        with steps.step("folder") as step:
            _remove_folder(order, step)
    return kept


def clear(order: Order, admin: Link, state: State) -> bool:
    """Destroy a site that nobody has used yet, unarchived; return whether there was something.

    To be called by who holds its fence and knows that it is new.
    """
    step = Step("clear")
    _unlink(order, _configurations(order), step)
    _drop(order, admin, state, step)
    _remove_folder(order, step)
    return step.changed


def _check(order: Order, admin: Link) -> State:
    site = order.site
    check_account(site["unix_user"])
    state = mariadb.state_of(admin, site["database"], site["slug"])
    if state is State.FOREIGN:
        raise Refusal(
            "database_exists",
            f"The database {site['database']} was not made for this site; nothing was removed."
            " Rename it, then run this again.",
            database=site["database"],
        )
    return mariadb.believed(state, site_tree.read_note(site["folder"]))


def _close(order: Order, step: Step) -> None:
    """Let nobody in any more, give running requests a moment, then end them."""
    account = find_account(order.site["unix_user"])
    if not Path(order.site["folder"]).is_dir() or account is None:
        return
    step.changed = close(order.site["folder"], dry=order.dry)
    if order.dry:
        return
    step.detail = f"{empty(order.site, account)} processes ended"


def _archive(order: Order, admin: Link, state: State, step: Step) -> str:
    """Archive what is there unless that was done; remember it where the next call looks."""
    site = order.site
    note = site_tree.read_note(site["folder"])
    done = str(note.get("removing", ""))
    has_files = Path(site["folder"], "desa").is_dir()
    # Marked, yet without a note of an archive: what there is is archived again.
    has_database = state in {State.COMPLETE, State.REMOVING}
    if done or not (has_files or has_database):
        return done
    step.changed = True
    if order.dry:
        return ""
    kept = archive.write_archive(order.layout, site, admin, with_database=has_database)
    step.detail = str(kept)
    if has_files:
        tree.apply(site["folder"], [site_tree.note_entry({**note, "removing": str(kept)})])
    if state is State.COMPLETE:
        mariadb.mark(admin, site["database"], site["slug"], State.REMOVING)
    return str(kept)


def _configurations(order: Order) -> list[Path]:
    slug = order.site["slug"]
    pools = [Path(php["pool_dir"], f"siappakai-{slug}.conf") for php in order.layout["php"]]
    return [
        Path(order.layout["nginx_sites"], f"{slug}.conf"),
        *pools,
        Path(order.site["socket"]),
    ]


def _unlink(order: Order, paths: list[Path], step: Step) -> None:
    for path in paths:
        if path.exists():
            step.changed = True
            if not order.dry:
                path.unlink()


def _drop(order: Order, admin: Link, state: State, step: Step) -> None:
    step.changed = state is not State.ABSENT
    if order.dry:
        return
    # The user first: whoever still holds its password gets in no more.
    step.changed |= mariadb.drop_user(admin, order.site["db_user"])
    mariadb.drop_database(admin, order.site["database"])
    aside.drop_schemas(admin, order.site["database"])


def _remove_folder(order: Order, step: Step) -> None:
    """Rename, then delete: a folder half deleted cannot be taken for a site."""
    folder = Path(order.site["folder"])
    leaving = folder.with_name(f".{folder.name}.removed")
    step.changed = folder.exists() or leaving.exists()
    if order.dry:
        return
    if leaving.exists():
        shutil.rmtree(leaving)
    if folder.exists():
        folder.rename(leaving)
        shutil.rmtree(leaving)


def remove_accounts(layout: LayoutVars, sites: Sequence[SiteVars], *, dry: bool) -> list[str]:
    """Remove the accounts of sites that are gone; return their slugs.

    Their locks stay, with the token in them: a play that slept through the removal is still
    refused. To be called once PHP-FPM has forgotten their pools: until then its workers run as
    them. Raises Refusal `processes_remain`.
    """
    return [site["slug"] for site in sites if _remove_account(layout, site, dry=dry)]


def _remove_account(layout: LayoutVars, site: SiteVars, *, dry: bool) -> bool:
    if Path(site["folder"]).exists() or find_account(site["unix_user"]) is None:
        return False
    if dry:
        return True
    with fenced(layout["lock_dir"], site["slug"], site["run_token"]):
        check_account(site["unix_user"])
        remove_account(site["unix_user"], layout["lock_dir"])
    return True

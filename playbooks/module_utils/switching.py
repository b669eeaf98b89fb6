"""Letting one of a site's two states serve: closed for a moment, switched, opened, at rest.

Whoever was killed in the middle left a journal that says what served before; `settle` goes back
to that.
"""

from __future__ import annotations

import contextlib
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from . import (
    applog,
    aside,
    closing,
    journals,
    mariadb,
    one_table,
    passwords,
    programs_kept,
    scratch,
    site_tree,
    tree,
)
from .account import find_account, group_id
from .driver import connect
from .fence import fenced
from .outcome import MySQLError, Refusal
from .planting import village_link

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .account import Account
    from .driver import Link
    from .journals import Journal
    from .order import Order
    from .variables import LayoutVars, SiteVars

_FLAG = f"{journals.FOLDER}/closed"


def settle_all(layout: LayoutVars, sites: Sequence[SiteVars]) -> None:
    """Bring sites to rest whose play was killed, and delete what it left on the server.

    Raises MySQLError while MariaDB is down and a site was cut off in the middle: it is closed.
    """
    for site in sites:
        _remove_clear(layout, site)
    cut_off = [site for site in sites if is_cut_off(site)]
    try:
        with contextlib.closing(mariadb.administrator(layout["db_socket"])) as admin:
            scratch.sweep(layout, admin)
            for site in cut_off:
                with fenced(layout["lock_dir"], site["slug"], site["run_token"]):
                    settle(layout, site, admin)
    except MySQLError:
        if cut_off:
            raise


def _remove_clear(layout: LayoutVars, site: SiteVars) -> None:
    """Delete what lies of a village in clear on its server while a play works with it."""
    scratches, outgoing = Path(layout["scratch"]), Path(layout["root"], "outgoing")
    slug = site["slug"]
    for path in (
        scratches / f"adopt-{slug}",
        scratches / f"restore-{slug}",
        outgoing / f"{slug}.zip",
        outgoing / f"{slug}.partial",
    ):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def is_cut_off(site: SiteVars) -> bool:
    """Tell whether something of a switch was left unfinished, and can be settled.

    A journal that cannot be read is a person's business; the health check tells of it.
    """
    try:
        journal = journals.read(site["folder"])
    except Refusal:
        return False
    is_resting = journal is None or journal.phase == journals.RESTING
    return not is_resting or closing.closed_by(site["folder"]) == closing.SWITCH


def settle(layout: LayoutVars, site: SiteVars, admin: Link, *, at_once: bool = False) -> bool:
    """Bring a site to rest whose switch was cut off; return whether it was not.

    It serves what it served before that. What served people meanwhile is kept aside, with what
    they entered, unless that was a moment ago (`at_once`). To be called by who holds its fence.
    Raises Refusal `journal_damaged`; nothing is touched then.
    """
    journal = journals.read(site["folder"])
    if journal is None:
        closing.reopen_switched(site["folder"])
        return False
    is_cut_off = journal.phase != journals.RESTING
    is_switched = journal.phase in {journals.SWITCHING, journals.CHECKING}
    if is_switched:
        _close(site)
        _still(site, admin)
        _switch_back(layout, site, admin, journal)
        _freshen(site)
    try:
        _put_away(site, admin, journal, at_once=at_once)
        if is_switched:
            _mark_log(site)
    finally:
        # What shall serve is in its place: a full disk does not keep people out.
        closing.reopen_switched(site["folder"])
    return is_cut_off


def _switch_back(layout: LayoutVars, site: SiteVars, admin: Link, journal: Journal) -> None:
    aside.switch_folders(site, journal, journal.serving)
    aside.switch_database(admin, layout, site, journal, journal.serving)
    if journal.table:
        one_table.gather(admin, site, journal.table)
        with contextlib.closing(_own_link(layout, site)) as own:
            one_table.fill(admin, own, site, journal.table, journal.serving)


def _put_away(site: SiteVars, admin: Link, journal: Journal, *, at_once: bool) -> None:
    """Drop what is aside, or note that it rests there."""
    if journal.phase == journals.RESTING:
        return
    served = journal.phase == journals.CHECKING and not at_once
    is_wanted = not journal.is_first or served or journal.not_made
    if journal.phase == journals.FORGETTING or not is_wanted:
        aside.forget(admin, site, journal)
    else:
        journal.phase, journal.is_first = journals.RESTING, False
        journals.write(site["folder"], journal)


def switch(order: Order, admin: Link, account: Account, journal: Journal, side: str) -> None:
    """Close the site, let `side` serve, open it."""
    site, layout = order.site, order.layout
    if journal.has_tables:
        journal.programs[journal.serving] = _present_programs(order, journal)
    if journal.table:
        one_table.outdate(admin, site, journal.table, journal.serving)
    aside.note_present(site, journal)
    journal.phase = journals.SWITCHING
    journals.write(site["folder"], journal)
    _close(site)
    _still(site, admin)
    aside.switch_folders(site, journal, side)
    # Before the programs: their user comes with the password of today.
    _renew_settings(order, account)
    aside.switch_database(admin, layout, site, journal, side)
    if journal.table:
        with contextlib.closing(_own_link(layout, site)) as own:
            one_table.save(admin, own, site, journal.table, journal.serving)
            one_table.fill(admin, own, site, journal.table, side)
    _freshen(site)
    _mark_log(site)
    journal.phase = journals.CHECKING
    journals.write(site["folder"], journal)
    _open(site)


def rest(site: SiteVars, journal: Journal, side: str, run: int, until: str) -> None:
    """Note that the switch is over: from here on it is not taken back by itself."""
    journal.serving, journal.phase, journal.is_first = side, journals.RESTING, False
    journal.run, journal.until = run, until
    journals.write(site["folder"], journal)


def _close(site: SiteVars) -> None:
    """Close the site, be the disk full: the flag of the first time lies ready for the way back."""
    folder = site["folder"]
    if closing.closed_by(folder) is None and tree.exists(folder, _FLAG):
        tree.move(folder, _FLAG, site_tree.MAINTENANCE)
    else:
        closing.close(folder, who=closing.SWITCH)


def _open(site: SiteVars) -> None:
    """Open the site, the flag laid aside."""
    if closing.closed_by(site["folder"]) == closing.SWITCH:
        tree.move(site["folder"], site_tree.MAINTENANCE, _FLAG)


def _own_link(layout: LayoutVars, site: SiteVars) -> Link:
    """Connect as the village's own user, with the password in its settings."""
    password = passwords.in_use(site["folder"])
    return connect(layout["db_socket"], site["db_user"], password, site["database"])


def _present_programs(order: Order, journal: Journal) -> list[dict[str, str]]:
    """Return the programs of the state that serves, with those it should have and could not make.

    They are read as the village's own user.
    """
    with contextlib.closing(village_link(order)) as link:
        found = programs_kept.read(link, order.site["database"])
    names = {one.name for one in found}
    missing = [
        one
        for one in journal.programs[journal.serving]
        if one["name"] in journal.not_made and one["name"] not in names
    ]
    return [*(one.as_dict() for one in found), *missing]


def _still(site: SiteVars, admin: Link) -> None:
    """End what the village still does: its requests, and its connections to the database."""
    account = find_account(site["unix_user"])
    if account is not None:
        closing.empty(site, account)
    with admin.cursor() as cursor:
        cursor.execute("KILL HARD USER %s@localhost", (site["db_user"],))


def _renew_settings(order: Order, account: Account) -> None:
    """Write the settings of today: a state that lay aside may know a former password."""
    group, key = group_id(order.layout["web_user"]), order.secrets["app_key"]
    entries = site_tree.village_folder(account, group, order.files, key)
    if tree.exists(order.site["folder"], "desa"):
        tree.apply(order.site["folder"], entries)


def _freshen(site: SiteVars) -> None:
    """Forget what the application remembers of the other state: cache and sessions."""
    for path in (f"storage/fw/{site['release']}/cache", "desa/cache", "tmp"):
        tree.clear(site["folder"], path)


def _mark_log(site: SiteVars) -> None:
    """Note where the site's log ends: what was logged before says nothing of this state."""
    note = site_tree.read_note(site["folder"])
    log = asdict(applog.mark_end(f"{site['folder']}/storage/logs"))
    tree.apply(site["folder"], [site_tree.note_entry({**note, "log": log})])

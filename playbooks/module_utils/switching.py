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
    health,
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
    from collections.abc import Collection, Sequence

    from .account import Account
    from .aside import Journal
    from .driver import Link
    from .order import Order
    from .variables import LayoutVars, SiteVars

# The folders in which a village's files wait on its server while a play works with them.
UPLOADS = ("adopt", "restore")
# What a site must do to be left with what came back; the rest a person may mend.
_VITAL = frozenset({"installed", "home", "login", "database", "release", "schema", "identity"})


def settle_all(layout: LayoutVars, sites: Sequence[SiteVars]) -> None:
    """Bring sites to rest whose play was killed, and delete what it left on the server.

    Raises MySQLError while MariaDB is down and a site was cut off in the middle: it is closed.
    """
    for site in sites:
        for kind in UPLOADS:
            shutil.rmtree(Path(layout["scratch"], f"{kind}-{site['slug']}"), ignore_errors=True)
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


def is_cut_off(site: SiteVars) -> bool:
    """Tell whether something of a switch was left unfinished."""
    journal = aside.read(site["folder"])
    is_resting = journal is None or journal.phase == aside.RESTING
    return not is_resting or closing.closed_by(site["folder"]) == closing.SWITCH


def settle(layout: LayoutVars, site: SiteVars, admin: Link, *, at_once: bool = False) -> bool:
    """Bring a site to rest whose switch was cut off; return whether it was not.

    It serves what it served before that. What served people meanwhile is kept aside, with what
    they entered, unless that was a moment ago (`at_once`). To be called by who holds its fence.
    """
    journal = aside.read(site["folder"])
    if journal is None:
        closing.reopen_switched(site["folder"])
        return False
    is_cut_off = journal.phase != aside.RESTING
    if journal.phase in {aside.SWITCHING, aside.CHECKING}:
        closing.close(site["folder"], who=closing.SWITCH)
        _still(site, admin)
        aside.switch_folders(site, journal, journal.serving)
        aside.switch_database(admin, layout, site, journal, journal.serving)
        if journal.table:
            one_table.gather(admin, site, journal.table)
            with contextlib.closing(_own_link(layout, site)) as own:
                one_table.fill(admin, own, site, journal.table, journal.serving)
        _freshen(site)
    served = journal.phase == aside.CHECKING and not at_once
    is_wanted = not journal.is_first or served or journal.not_made
    if journal.phase == aside.FORGETTING or not is_wanted:
        aside.forget(admin, site, journal)
    elif is_cut_off:
        journal.phase, journal.is_first = aside.RESTING, False
        aside.write(site["folder"], journal)
    closing.reopen_switched(site["folder"])
    return is_cut_off


def switch(order: Order, admin: Link, account: Account, journal: Journal, side: str) -> None:
    """Close the site, let `side` serve, open it."""
    site, layout = order.site, order.layout
    if journal.has_tables:
        journal.programs[journal.serving] = _present_programs(order, journal)
    if journal.table:
        one_table.outdate(admin, site, journal.table, journal.serving)
    aside.note_present(site, journal)
    journal.phase = aside.SWITCHING
    aside.write(site["folder"], journal)
    closing.close(site["folder"], who=closing.SWITCH)
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
    journal.phase = aside.CHECKING
    aside.write(site["folder"], journal)
    closing.reopen_switched(site["folder"])


def rest(site: SiteVars, journal: Journal, side: str, run: int, until: str) -> None:
    """Note that the switch is over: from here on it is not taken back by itself."""
    journal.serving, journal.phase, journal.is_first = side, aside.RESTING, False
    journal.run, journal.until = run, until
    aside.write(site["folder"], journal)


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
    """Forget what the application remembers of the other state: cache, sessions, its log."""
    for path in (f"storage/fw/{site['release']}/cache", "desa/cache", "tmp"):
        tree.clear(site["folder"], path)
    note = site_tree.read_note(site["folder"])
    log = asdict(applog.mark_end(f"{site['folder']}/storage/logs"))
    tree.apply(site["folder"], [site_tree.note_entry({**note, "log": log})])


def ill(layout: LayoutVars, site: SiteVars) -> dict[str, str]:
    """Return what a site must do and does not, with the reason."""
    report = health.examine(layout, [site])[site["slug"]]
    return {one.name: one.detail for one in report.checks if one.name in _VITAL and not one.ok}


def require_well(layout: LayoutVars, site: SiteVars, ill_before: Collection[str]) -> None:
    """Raise Refusal `restore_unwell` when a site fails in what it did not fail in before."""
    found = {name: why for name, why in ill(layout, site).items() if name not in ill_before}
    if found:
        what = "; ".join(f"{name}: {why}" for name, why in found.items())
        raise Refusal(
            "restore_unwell",
            f"{site['slug']} did not get well with what was brought back, and serves again what"
            f" it served before: {what}. Look at that, or choose another backup.",
            what=what,
        )

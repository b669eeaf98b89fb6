"""Restoring a backup over a village that runs, and taking that back.

What comes back is laid down beside what runs, counted against its manifest, then both change
places while the site is closed for a moment. A site that does not get well gets its former state
back at once; that state is kept for some days in any case (see aside.py).
"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from . import aside, comeback, journals, mariadb, one_table, programs_kept, site_tree
from .account import find_account
from .closing import closed_by
from .comeback import SITE, Sink
from .fence import fenced
from .journals import NEW, Journal
from .mariadb import State
from .outcome import Refusal
from .room import check_room
from .scratch import scratch
from .switching import rest, settle, switch
from .vital import ill, require_well

if TYPE_CHECKING:
    from .account import Account
    from .comeback import Wish
    from .differences import Difference
    from .driver import Link
    from .order import Order
    from .outcome import Steps
    from .variables import SiteVars


def look(order: Order, wish: Wish, steps: Steps) -> Difference:
    """Tell what a restore would change; nothing is kept. Raises Refusal for a damaged backup."""
    site = order.site
    with (
        fenced(order.layout["lock_dir"], site["slug"], site["run_token"]),
        scratch(order.layout) as one,
    ):
        _require_room(order, wish)
        with steps.step("read"):
            found = comeback.read(wish, one)
        with steps.step("differences") as step:
            told = comeback.difference(order, wish, one, found)
            step.detail = f"{len(told.tables)} tables"
    return told


def restore(order: Order, wish: Wish, steps: Steps) -> Difference:
    """Let a backup serve in place of what runs; return what that changed.

    Raises Refusal before anything is touched, or `restore_unwell` when the site did not get well
    with it and serves its former state again.
    """
    layout, site = order.layout, order.site
    with (
        fenced(layout["lock_dir"], site["slug"], site["run_token"]),
        closing(mariadb.administrator(layout["db_socket"])) as admin,
    ):
        with steps.step("check"):
            account = _admit(order, wish, admin)
        journal = Journal(
            wish.run, wish.backup, wish.scope, site["release"], wish.until, paths=wish.paths
        )
        try:
            told = _lay_down(order, Sink(order, wish, account), admin, journal, steps)
            # A part that is restored need not mend what was ill in the others.
            ill_before = () if wish.kind == SITE else ill(layout, site)
            with steps.step("switch") as step:
                switch(order, admin, account, journal, NEW)
                step.changed = True
                step.detail = _not_made(journal)
            with steps.step("check_health"):
                require_well(layout, site, ill_before)
            rest(site, journal, NEW, wish.run, wish.until)
        except BaseException:
            settle(layout, site, admin, at_once=True)
            raise
        return told


def undo(order: Order, run: int, until: str, expects: int, steps: Steps) -> bool:
    """Let the state that is aside serve again, and keep the other; return True.

    It may be ill, as it may have been when it was replaced: that is told, and for people to judge.
    Raises Refusal `nothing_kept`, `undo_outdated`, or `kept_changed` when it is not run `expects`
    that switched last.
    """
    layout, site = order.layout, order.site
    with (
        fenced(layout["lock_dir"], site["slug"], site["run_token"]),
        closing(mariadb.administrator(layout["db_socket"])) as admin,
    ):
        with steps.step("check"):
            settle(layout, site, admin)
            journal = journals.read(site["folder"])
            account = find_account(site["unix_user"])
            if journal is None or account is None or not aside.is_whole(admin, site, journal):
                raise _nothing_kept(site)
            _require_known(site, journal, expects)
            if journal.release != site["release"]:
                raise Refusal(
                    "undo_outdated",
                    f"{site['slug']} has moved to another release since it was restored. Nothing"
                    " was changed. Restore a backup taken with the release it serves now.",
                    release=journal.release,
                )
        with steps.step("switch") as step:
            side = journals.other(journal.serving)
            try:
                switch(order, admin, account, journal, side)
            except BaseException:
                settle(layout, site, admin, at_once=True)
                raise
            rest(site, journal, side, run, until)
            step.changed = True
            step.detail = _not_made(journal)
    return True


def forget(order: Order, expects: int) -> bool:
    """Drop what is aside; return whether there was something.

    Raises Refusal `kept_changed` when it is not run `expects` that switched last.
    """
    layout, site = order.layout, order.site
    with (
        fenced(layout["lock_dir"], site["slug"], site["run_token"]),
        closing(mariadb.administrator(layout["db_socket"])) as admin,
    ):
        settle(layout, site, admin)
        journal = journals.read(site["folder"])
        if journal is None:
            return False
        _require_known(site, journal, expects)
        aside.forget(admin, site, journal)
    return True


def _admit(order: Order, wish: Wish, admin: Link) -> Account:
    """Raise Refusal for a site that cannot be restored over; return its account."""
    site, account = order.site, find_account(order.site["unix_user"])
    settle(order.layout, site, admin)
    state = mariadb.state_of(admin, site["database"], site["slug"])
    note = site_tree.read_note(site["folder"])
    if account is None or not note or mariadb.believed(state, note) is not State.COMPLETE:
        raise Refusal(
            "site_missing",
            f"{site['slug']} is not wholly installed on this server. Nothing was changed. Install"
            " it again first, or remove it and bring it back as a village that is gone.",
            slug=site["slug"],
        )
    if closed_by(site["folder"]) is not None:
        raise Refusal(
            "site_closed",
            f"{site['slug']} is closed for other work. Nothing was changed. Finish that first.",
            slug=site["slug"],
        )
    if journals.read(site["folder"]) is not None:
        raise Refusal(
            "state_kept",
            f"The state before the last restore of {site['slug']} is still kept. Nothing was"
            " changed. Take that restore back, or forget what is kept, then try again.",
            slug=site["slug"],
        )
    _require_room(order, wish)
    return account


def _require_room(order: Order, wish: Wish) -> None:
    """Raise Refusal `no_room` unless the backup can be laid down, unpacked, beside what runs."""
    size = Path(wish.source).stat().st_size
    what = f"The backup of {order.site['slug']}, laid down beside what runs,"
    for folder in (order.layout["root"], order.layout["db_data"]):
        check_room(Path(folder), 2 * size, what)


def _lay_down(order: Order, sink: Sink, admin: Link, journal: Journal, steps: Steps) -> Difference:
    """Lay down beside what runs all that comes back, and compare it with its manifest."""
    site, wish = order.site, sink.wish
    with scratch(order.layout) as one:
        aside.prepare(admin, site, journal)
        with steps.step("read") as step:
            found = comeback.read(wish, one, sink)
            step.detail = f"{found.files.count} files"
            if found.left_out:
                step.detail += f", {found.left_out} left out"
        with steps.step("differences") as step:
            told = comeback.difference(order, wish, one, found)
            step.detail = f"{len(told.tables)} tables"
        if told.blocks:
            raise Refusal(
                "restore_refused",
                f"{site['slug']} was not restored: {', '.join(told.blocks)}. Nothing was changed."
                " Choose a backup that fits.",
                blocks=told.blocks,
            )
        with steps.step("lay_down"):
            sink.complete()
            journal.has[NEW] = sink.slots()
            if wish.with_database:
                with closing(one.connect()) as link:
                    written = programs_kept.read(link, one.name)
                journal.programs[NEW] = [program.as_dict() for program in written]
                aside.receive_tables(admin, site, one.name)
                journal.has_tables = True
            if wish.table:
                with closing(one.connect()) as link:
                    one_table.check(admin, site["database"], link, wish.table)
                    one_table.receive(admin, site, link, one.name, wish.table)
                journal.table = wish.table
            journals.write(site["folder"], journal)
    return told


def _require_known(site: SiteVars, journal: Journal, expects: int) -> None:
    """Raise Refusal when another state is kept than whoever asked was shown."""
    if journal.run != expects:
        raise Refusal(
            "kept_changed",
            f"What is kept of {site['slug']} comes from run {journal.run}, not from run {expects}."
            " Nothing was changed. Look at the site again, then decide anew.",
            run=journal.run,
        )


def _not_made(journal: Journal) -> str:
    names = ", ".join(journal.not_made[:5])
    return f"{len(journal.not_made)} programs could not be made: {names}" if names else ""


def _nothing_kept(site: SiteVars) -> Refusal:
    return Refusal(
        "nothing_kept",
        f"Nothing is kept that {site['slug']} could go back to. Nothing was changed. Restore a"
        " backup instead.",
        slug=site["slug"],
    )

"""Installing one site: every step looks first, does what is missing, and can be repeated.

A database is loaded once. Once it is marked complete it is the village's, and no
installation writes to it again.
"""

from __future__ import annotations

import datetime as dt
import shutil
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import applog, journals, mariadb, passwords, site_tree, tree
from .account import (
    Account,
    create_account,
    find_account,
    group_id,
    lacks_group,
    make_group,
)
from .admission import admit
from .closing import reopen
from .fence import fenced
from .mariadb import State
from .planting import FROM_RELEASE, known_hashes
from .releases import php_of, release_folder
from .view import build_view

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .driver import Link
    from .order import Order
    from .outcome import Step, Steps
    from .planting import Seed

_NOBODY = Account(-1, -1)  # whom a dry run compares with while the account is missing


def install(order: Order, steps: Steps, seed: Seed = FROM_RELEASE) -> None:
    """Bring the site to where it can be served, short of reloading the services.

    `seed` fills it while it is new.

    Raises Refusal before anything is changed, or an error of outcome.EXPECTED on the way;
    running it again finishes what was begun.
    """
    site, layout = order.site, order.layout
    php = php_of(layout, order.release, site["php"])
    with fenced(layout["lock_dir"], site["slug"], site["run_token"], dry=order.dry):
        with closing(mariadb.administrator(layout["db_socket"])) as admin:
            with steps.step("check"):
                journals.require_rest(site)
                state = admit(order, admin, php)
            with steps.step("account") as step:
                account = _ensure_account(order, step)
            with steps.step("folder") as step:
                if state is State.COMPLETE and not order.dry:
                    _admit_password(order, admin)
                _ensure_folder(order, account, seed, step)
            with steps.step("database") as step:
                _ensure_database(order, admin, state, step)
            with steps.step("load") as step:
                _ensure_loaded(order, admin, state, account, step, seed=seed)
        with steps.step("pool") as step:
            pool = f"siappakai-{site['slug']}.conf"
            _ensure(php["pool_dir"], [_config(pool, order.files["pool"])], order, step)
            _leave_other_masters(order, pool, step)
        with steps.step("vhost") as step:
            vhost = _config(f"{site['slug']}.conf", order.files["vhost"])
            _ensure(layout["nginx_sites"], [vhost], order, step)
            step.changed |= not order.dry and reopen(site["folder"])
            if state is State.COMPLETE and not order.dry:
                _end_former_password(order)


def _ensure_account(order: Order, step: Step) -> Account:
    name = order.site["unix_user"]
    account = find_account(name)
    if account is not None:
        if lacks_group(name):
            step.changed = True
            if not order.dry:
                make_group(name, account, order.layout["lock_dir"])
        return account
    step.changed = True
    if order.dry:
        return _NOBODY
    return create_account(name, order.site["folder"], order.layout["lock_dir"])


def _ensure_folder(order: Order, account: Account, seed: Seed, step: Step) -> None:
    """Make skeleton, view of the release, the village's data and `current`."""
    site, folder = order.site, order.site["folder"]
    _ensure(order.layout["sites"], [tree.Entry(site["slug"], 0o711)], order, step)
    _ensure(folder, site_tree.skeleton(account, site["release"]), order, step)
    view = Path(folder, "rel", site["release"])
    if not view.is_dir():
        step.changed = True
        if not order.dry:
            release = release_folder(order.layout, site["app"], site["release"])
            build_view(folder, str(release), site["release"])
    _ensure_village_folder(order, account, seed, step)
    _ensure(folder, [site_tree.current_link(site["release"])], order, step)


def _ensure_village_folder(order: Order, account: Account, seed: Seed, step: Step) -> None:
    """Build the data folder aside and rename it: it is there whole or not at all."""
    folder = Path(order.site["folder"])
    web_group = group_id(order.layout["web_user"])
    key = order.secrets["app_key"]
    if (folder / "desa").is_dir() or order.dry:
        entries = site_tree.village_folder(account, web_group, order.files, key)
        _ensure(str(folder), entries, order, step)
        return
    fresh = folder / "desa.new"
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(mode=0o700)
    seed.fill_folder(order, fresh, account, web_group)
    entries = site_tree.village_folder(account, web_group, order.files, key, under=fresh.name)
    tree.apply(str(folder), entries)
    fresh.rename(folder / "desa")
    step.changed = True


def _ensure_database(order: Order, admin: Link, state: State, step: Step) -> None:
    """Have an empty database of the site's own, or the complete one with working credentials."""
    site = order.site
    password = order.secrets["db_password"]
    if state is State.COMPLETE:
        _ensure_mark(order, admin, step)
        if mariadb.accepts(order.layout["db_socket"], site["db_user"], password, site["database"]):
            # The former password is ended last, when nobody asks with it any more.
            step.changed |= passwords.admits_another(admin, site["db_user"])
            return
        step.detail = "user and rights renewed"
    step.changed = True
    if order.dry:
        return
    if state is State.LOADING:
        mariadb.drop_database(admin, site["database"])
        step.detail = "a half-loaded database was dropped"
    if state is not State.COMPLETE:
        mariadb.create_database(admin, site["database"], site["slug"])
    mariadb.create_user(admin, site["db_user"], password, site["database"])


def _admit_password(order: Order, admin: Link) -> None:
    """Have the password accepted before the site is told of it; the former one still is."""
    present, wanted = passwords.in_use(order.site["folder"]), order.secrets["db_password"]
    if present not in {"", wanted}:
        passwords.admit(admin, order.site["db_user"], wanted, present)


def _end_former_password(order: Order) -> None:
    user = order.site["db_user"]
    with closing(mariadb.administrator(order.layout["db_socket"])) as admin:
        if passwords.admits_another(admin, user):
            passwords.keep_only(admin, user, order.secrets["db_password"])


def _ensure_mark(order: Order, admin: Link, step: Step) -> None:
    """Mark a whole database as whole, if a crash or the village left another word."""
    name, slug = order.site["database"], order.site["slug"]
    if mariadb.state_of(admin, name, slug) is not State.COMPLETE:
        step.changed = True
        if not order.dry:
            mariadb.mark(admin, name, slug, State.COMPLETE)


def _ensure_loaded(
    order: Order, admin: Link, state: State, account: Account, step: Step, *, seed: Seed
) -> None:
    """Fill a database that is not complete."""
    site, folder = order.site, order.site["folder"]
    if state is State.COMPLETE:
        note = site_tree.read_note(folder) or _note(order, known_hashes(order))
        if not note.get("default_password_hashes"):
            note["default_password_hashes"] = list(known_hashes(order))
        _ensure(folder, [site_tree.note_entry(note)], order, step)
        if not order.dry:
            # This run is judged by what is logged from now on, not by what it came to mend.
            tree.apply(folder, [site_tree.note_entry({**note, "log": _log_end(order)})])
        return
    step.changed = True
    step.detail = seed.told(order)
    if order.dry:
        return
    hashes = seed.fill_database(order, account)
    tree.apply(folder, [site_tree.note_entry({**_note(order, hashes), **seed.remembered})])
    mariadb.mark(admin, site["database"], site["slug"], State.COMPLETE)


def _note(order: Order, hashes: Sequence[str]) -> dict[str, Any]:
    """Return what a later health check must know of this installation."""
    return {
        "app": order.site["app"],
        "release": order.site["release"],
        "commit": order.release["commit"],
        "installed_at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "log": _log_end(order),
        "default_password_hashes": list(hashes),
    }


def _log_end(order: Order) -> dict[str, Any]:
    return asdict(applog.mark_end(f"{order.site['folder']}/storage/logs"))


def _leave_other_masters(order: Order, pool: str, step: Step) -> None:
    """Two PHP-FPM masters with the site's pool would fight over its socket."""
    for php in order.layout["php"]:
        stale = Path(php["pool_dir"], pool)
        if php["version"] != order.site["php"] and stale.exists():
            step.changed = True
            if not order.dry:
                stale.unlink()


def _config(name: str, text: str) -> tree.Entry:
    return tree.Entry(name, 0o644, content=text.encode())


def _ensure(root: str, entries: Sequence[tree.Entry], order: Order, step: Step) -> None:
    wrong = tree.differing(root, entries)
    if wrong and not order.dry:
        tree.apply(root, wrong)
    step.changed = step.changed or bool(wrong)

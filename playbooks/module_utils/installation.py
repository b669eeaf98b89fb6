"""Installing one site: every step looks first, does what is missing, and can be repeated.

A database is loaded once. Once it is marked complete it is the village's, and no
installation writes to it again.
"""

from __future__ import annotations

import datetime
import re
import shutil
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import applog, golden, mariadb, opensid, seeding, site_tree, tree
from .account import Account, check_account, create_account, find_account, group_id
from .driver import connect
from .fence import fenced
from .mariadb import State
from .outcome import Refusal
from .releases import is_present, php_of, release_folder
from .view import build_view

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .driver import Link
    from .outcome import Step, Steps
    from .variables import FileVars, LayoutVars, PhpVars, ReleaseVars, SecretVars, SiteVars

_IPV6_LISTEN = re.compile(r"^\s*listen \[::\].*\n", re.MULTILINE)
_NOBODY = Account(-1, -1)  # whom a dry run compares with while the account is missing


@dataclass(frozen=True)
class Order:
    """All that is needed to install one site.

    `release_problem` is why the release could not be brought to this server, if it could not.
    """

    layout: LayoutVars
    release: ReleaseVars
    site: SiteVars
    secrets: SecretVars
    files: FileVars
    release_problem: str = ""
    dry: bool = False


def install(order: Order, steps: Steps) -> None:
    """Bring the site to where it can be served, short of reloading the services.

    Raises Refusal before anything is changed, or an error of outcome.EXPECTED on the way;
    running it again finishes what was begun.
    """
    site, layout = order.site, order.layout
    php = php_of(layout, order.release, site["php"])
    with fenced(layout["lock_dir"], site["slug"], site["run_token"], dry=order.dry):
        with closing(mariadb.administrator(layout["db_socket"])) as admin:
            with steps.step("check"):
                state = _check(order, admin, php)
            with steps.step("account") as step:
                account = _ensure_account(order, step)
            with steps.step("folder") as step:
                _ensure_folder(order, account, step)
            with steps.step("database") as step:
                _ensure_database(order, admin, state, step)
            with steps.step("load") as step:
                _ensure_loaded(order, admin, state, account, php, step)
        with steps.step("pool") as step:
            pool = f"siappakai-{site['slug']}.conf"
            _ensure(php["pool_dir"], [_config(pool, order.files["pool"])], order, step)
        with steps.step("vhost") as step:
            vhost = _config(f"{site['slug']}.conf", _listenable(order.files["vhost"]))
            _ensure(layout["nginx_sites"], [vhost], order, step)


def _check(order: Order, admin: Link, php: PhpVars) -> State:
    """Refuse what must not be begun; changes nothing."""
    site = order.site
    if not is_present(order.layout, order.release):
        raise Refusal(
            "release_missing",
            f"Release {site['release']} is not on this server."
            f" {order.release_problem or 'Run the whole install playbook, which brings it.'}",
            release=site["release"],
            reason=order.release_problem,
        )
    check_account(site["unix_user"])
    _check_domain(order)
    _check_folders(order, php)
    state = mariadb.state_of(admin, site["database"], site["slug"])
    if state is State.FOREIGN:
        raise Refusal(
            "database_exists",
            f"A database {site['database']} exists that was not made for this site. It was left"
            " as it is. Rename or drop it, then run this again.",
            database=site["database"],
        )
    _check_app_key(order, admin, state)
    _check_note(order, state)
    return state


def _check_domain(order: Order) -> None:
    """Refuse a domain that another site's vhost answers to."""
    own = f"{order.site['slug']}.conf"
    name = re.compile(rf"^\s*server_name {re.escape(order.site['domain'])};", re.MULTILINE)
    for vhost in Path(order.layout["nginx_sites"]).glob("*.conf"):
        if vhost.name != own and name.search(vhost.read_text()):
            raise Refusal(
                "domain_taken",
                f"The domain {order.site['domain']} belongs to {vhost.stem} already."
                " Give one of the two another domain.",
                domain=order.site["domain"],
                other=vhost.stem,
            )


def _check_folders(order: Order, php: PhpVars) -> None:
    for folder in (php["pool_dir"], order.layout["nginx_sites"], order.layout["sites"]):
        if not Path(folder).is_dir():
            raise Refusal(
                "server_unprepared",
                f"The folder {folder} is missing. Prepare the server, then run this again.",
                folder=folder,
            )


def _check_app_key(order: Order, admin: Link, state: State) -> None:
    """The key decrypts what the village stored: another one than ours is never replaced."""
    # While loading, the key on disk may be one the seeder made up a moment before it died.
    found = {site_tree.read_app_key(order.site["folder"])} if state is not State.LOADING else set()
    if state is State.COMPLETE:
        with admin.cursor() as cursor:
            cursor.execute(f"SELECT app_key FROM `{order.site['database']}`.config")  # noqa: S608
            found |= {str(row[0]) for row in cursor.fetchall()}
    if found - {"", order.secrets["app_key"]}:
        raise Refusal(
            "app_key_differs",
            f"{order.site['slug']} has another app_key than the registry. Nothing was changed."
            " Put the site's own key into the registry, or remove the site first.",
            slug=order.site["slug"],
        )


def _check_note(order: Order, state: State) -> None:
    note = site_tree.read_note(order.site["folder"])
    if note.get("removing"):
        raise Refusal(
            "removal_unfinished",
            f"The removal of {order.site['slug']} was begun and not finished. Run it again first.",
            slug=order.site["slug"],
        )
    installed = note.get("release", order.site["release"])
    if state is State.COMPLETE and installed != order.site["release"]:
        raise Refusal(
            "other_release",
            f"{order.site['slug']} is installed with {installed}. Update it to"
            f" {order.site['release']} instead of installing it.",
            installed=installed,
        )


def _ensure_account(order: Order, step: Step) -> Account:
    account = find_account(order.site["unix_user"])
    if account is not None:
        return account
    step.changed = True
    if order.dry:
        return _NOBODY
    return create_account(
        order.site["unix_user"], order.site["folder"], order.layout["lock_dir"]
    )


def _ensure_folder(order: Order, account: Account, step: Step) -> None:
    """The site's folder: skeleton, view of the release, the village's data, `current`."""
    site, folder = order.site, order.site["folder"]
    _ensure(order.layout["sites"], [tree.Entry(site["slug"], 0o711)], order, step)
    _ensure(folder, site_tree.skeleton(account, site["release"]), order, step)
    view = Path(folder, "rel", site["release"])
    if not view.is_dir():
        step.changed = True
        if not order.dry:
            release = release_folder(order.layout, site["app"], site["release"])
            build_view(folder, str(release), site["release"])
    _ensure_village_folder(order, account, step)
    _ensure(folder, [site_tree.current_link(site["release"])], order, step)


def _ensure_village_folder(order: Order, account: Account, step: Step) -> None:
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
    snapshot = _golden(order)
    if not golden.why_unusable(snapshot, order.release):
        golden.clone_files(snapshot, fresh, account, web_group)
    entries = site_tree.village_folder(account, web_group, order.files, key, under=fresh.name)
    tree.apply(str(folder), entries)
    fresh.rename(folder / "desa")
    step.changed = True


def _ensure_database(order: Order, admin: Link, state: State, step: Step) -> None:
    """An empty database of the site's own, or the complete one with working credentials."""
    site = order.site
    password = order.secrets["db_password"]
    if state is State.COMPLETE:
        socket = order.layout["db_socket"]
        if mariadb.accepts(socket, site["db_user"], password, site["database"]):
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


def _ensure_loaded(
    order: Order, admin: Link, state: State, account: Account, php: PhpVars, step: Step
) -> None:
    """Fill a database that is not complete: cloned, or seeded by the application itself."""
    site, folder = order.site, order.site["folder"]
    if state is State.COMPLETE:
        note = site_tree.read_note(folder) or _note(order, _known_hashes(order))
        _ensure(folder, [site_tree.note_entry(note)], order, step)
        return
    reason = golden.why_unusable(_golden(order), order.release)
    step.changed = True
    step.detail = f"seeded by the application, as {reason}" if reason else "cloned"
    if order.dry:
        return
    hashes = _seed(order, account, php) if reason else _clone(order)
    _write_identity(order)
    tree.apply(folder, [site_tree.note_entry(_note(order, hashes))])
    mariadb.mark_complete(admin, site["database"], site["slug"])


def _clone(order: Order) -> Sequence[str]:
    with closing(_village_link(order)) as link:
        golden.clone_database(_golden(order), link)
    return _known_hashes(order)


def _seed(order: Order, account: Account, php: PhpVars) -> Sequence[str]:
    site, folder = order.site, order.site["folder"]
    found = seeding.seed(
        seeding.Nursery(
            folder=folder,
            view=f"{folder}/rel/{site['release']}",
            host=site["domain"],
            pool=order.files["pool"],
            php=php,
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
    with closing(_village_link(order)) as link:
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


def _village_link(order: Order) -> Link:
    site = order.site
    return connect(
        order.layout["db_socket"],
        site["db_user"],
        order.secrets["db_password"],
        site["database"],
    )


def _golden(order: Order) -> Path:
    return golden.golden_folder(order.layout, order.site["app"], order.site["release"])


def _known_hashes(order: Order) -> Sequence[str]:
    manifest = golden.read_manifest(_golden(order))
    return manifest["password_hashes"] if manifest else ()


def _note(order: Order, hashes: Sequence[str]) -> dict[str, Any]:
    """What a later health check must know of this installation."""
    return {
        "app": order.site["app"],
        "release": order.site["release"],
        "commit": order.release["commit"],
        "installed_at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "log": asdict(applog.mark_end(f"{order.site['folder']}/storage/logs")),
        "default_password_hashes": list(hashes),
    }


def _config(name: str, text: str) -> tree.Entry:
    return tree.Entry(name, 0o644, content=text.encode())


def _listenable(vhost: str) -> str:
    """Leave IPv6 out on a machine without it: nginx would refuse to start."""
    if Path("/proc/net/if_inet6").exists():
        return vhost
    return _IPV6_LISTEN.sub("", vhost)


def _ensure(root: str, entries: Sequence[tree.Entry], order: Order, step: Step) -> None:
    wrong = tree.differing(root, entries)
    if wrong and not order.dry:
        tree.apply(root, wrong)
    step.changed = step.changed or bool(wrong)

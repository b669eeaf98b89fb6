"""What must be so before a site's installation begins; nothing here changes anything."""

from __future__ import annotations

import re
import ssl
from pathlib import Path
from typing import TYPE_CHECKING

from . import base_tables, mariadb, site_tree
from .account import check_account
from .mariadb import State
from .outcome import Refusal
from .releases import is_present

if TYPE_CHECKING:
    from .driver import Link
    from .order import Order
    from .variables import PhpVars


def admit(order: Order, admin: Link, php: PhpVars) -> State:
    """Return the state of the site's database; raises Refusal for what must not be begun."""
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
    check_certificate(order)
    check_server(order, php)
    state = mariadb.state_of(admin, site["database"], site["slug"])
    if state is State.FOREIGN:
        raise Refusal(
            "database_exists",
            f"A database {site['database']} exists that was not made for this site. It was left"
            " as it is. Rename or drop it, then run this again.",
            database=site["database"],
        )
    state = mariadb.believed(state, site_tree.read_note(site["folder"]))
    _check_app_key(order, admin, state)
    check_note(order, state)
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


def check_certificate(order: Order) -> None:
    """Refuse a certificate nginx would not start with: its reload serves every site."""
    certificate = order.site["certificate"]
    if certificate is None:
        return
    chain, key = certificate["chain"], certificate["key"]
    try:
        # A key that asks for a passphrase is of no use to a server; an empty one asks nobody.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(chain, key, password="")
    except (OSError, ValueError) as problem:
        raise Refusal(
            "certificate_unusable",
            f"The certificate of {order.site['domain']} cannot be used: {problem}. Put its chain"
            f" at {chain} and the key that belongs to it, without passphrase, at {key}, then run"
            " this again.",
            chain=chain,
            key=key,
            reason=str(problem),
        ) from problem


def check_server(order: Order, php: PhpVars) -> None:
    """Refuse a server that is not prepared, or was by an older version of this program."""
    vhosts = Path(order.layout["nginx_sites"])
    needed = (Path(php["pool_dir"]), Path(order.layout["sites"]), vhosts / "listen-http")
    for path in (*needed, vhosts / "listen-https"):
        if not path.exists():
            raise Refusal(
                "server_unprepared",
                f"{path} is missing. Prepare the server, then run this again.",
                folder=str(path),
            )


def _check_app_key(order: Order, admin: Link, state: State) -> None:
    """Refuse another key than ours: what the village stored can be read with its own only."""
    # While loading, the key on disk may be one the seeder made up a moment before it died.
    found = {site_tree.read_app_key(order.site["folder"])} if state is not State.LOADING else set()
    if state is State.COMPLETE:
        found |= set(base_tables.column(admin, order.site["database"], "config", "app_key"))
    if found - {"", order.secrets["app_key"]}:
        raise Refusal(
            "app_key_differs",
            f"{order.site['slug']} has another app_key than the registry. Nothing was changed."
            " Put the site's own key into the registry, or remove the site first.",
            slug=order.site["slug"],
        )


def check_note(order: Order, state: State) -> None:
    """Refuse what contradicts the note that an earlier installation or removal left."""
    note = site_tree.read_note(order.site["folder"])
    if note.get("removing") or state is State.REMOVING:
        raise Refusal(
            "removal_unfinished",
            f"The removal of {order.site['slug']} was begun and not finished. Run it again first.",
            slug=order.site["slug"],
        )
    if note and state is State.ABSENT:
        raise Refusal(
            "database_lost",
            f"{order.site['slug']} was installed, but its database {order.site['database']} is"
            " gone. Nothing was changed: an empty one would hide the loss. Restore it, or remove"
            " the site first.",
            database=order.site["database"],
        )
    installed = note.get("release", order.site["release"])
    if state is State.COMPLETE and installed != order.site["release"]:
        raise Refusal(
            "other_release",
            f"{order.site['slug']} is installed with {installed}. Update it to"
            f" {order.site['release']} instead of installing it.",
            installed=installed,
        )

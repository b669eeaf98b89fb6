"""A village taken out of a gabungan: a database of its own again, proven like a merge.

It is a merge the other way: the same rows are read, moved back, written and compared, into a
fresh database of the release.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import mariadb, merging, opensid, staging
from .book import Book
from .consents import FULL, Consent
from .driver import connect
from .exporting import export, snapshot
from .gabungan import VERSIONS, contract, schema_version
from .golden import clone_database
from .identity import identity_differences, identity_of, write_identity
from .labels import read_labels
from .manifests import Manifest, Order
from .outcome import Refusal
from .reconciling import Reconciliation, refuse
from .references import CONFIG, ReferenceMap
from .schemas import quoted, read_schema

if TYPE_CHECKING:
    from .driver import Link
    from .outcome import Steps
    from .variables import ExtractSecrets

# A village alone in its database.
ALONE = 1
_ALL_SLOTS = 500
_SLUG = "keluar"


@dataclass(frozen=True)
class Wish:
    """The village `code` in `database`: a gabungan of ours, or one that villages write live.

    `scratch` is where it is rebuilt, from the release's snapshot in `golden`; `folder` holds
    its file meanwhile. `unknown` are tables that no merge has brought. With `is_incomplete` it
    is taken out though not all of it is there. `day` is the one ages are counted on.
    """

    database: str
    code: str
    scratch: str
    golden: Path
    folder: Path
    day: str
    references: ReferenceMap
    unknown: Sequence[str] = ()
    is_foreign: bool = False
    is_incomplete: bool = False


@dataclass(frozen=True)
class Rebuilt:
    """A village's database as it was rebuilt in a scratch schema.

    `missing` says what of it is not there, `user` who can log in, nobody when it is empty.
    """

    manifest: Manifest
    missing: Mapping[str, str]
    rows: int
    user: str


@contextmanager
def rebuilt(socket: str, wish: Wish, new: ExtractSecrets, steps: Steps) -> Iterator[Rebuilt]:
    """Rebuild a village; its scratch schema is gone afterwards.

    Raises Refusal `not_merged` for a village that is not there, `not_shared` for one that is not
    there in full, `schema_newer`, and those of a merge.
    """
    file = wish.folder / f"{wish.scratch}.zip"
    with merging.writer(socket) as link, staging.owned(link, wish.scratch) as is_free:
        if not is_free:
            raise Refusal(
                "extract_busy",
                f"Village {wish.code} is being taken out by another run. Wait for that one.",
                village=wish.code,
            )
        order, missing = _order(link, wish)
        if missing and not wish.is_incomplete:
            raise _not_shared(wish, missing)
        try:
            with steps.step("schema"):
                _prepare(socket, link, wish)
            tables = contract(link, wish.scratch, wish.references)
            labels = read_labels(link, wish.scratch, wish.references.regency_wide)
            order = replace(order, wanted=tables, labels=labels)
            with steps.step("read") as step:
                manifest = _read(socket, link, order, file)
                step.detail = f"{len(manifest.sent)} tables"
            with steps.step("rebuild") as step:
                rows = _rebuild(link, wish, manifest, file)
                step.changed, step.detail = True, f"{rows} rows"
            user = _renew_secrets(socket, wish, new)
            yield Rebuilt(manifest, missing, rows, user)
        finally:
            file.unlink(missing_ok=True)
            staging.drop(link, wish.scratch)


def sweep(link: Link, prefix: str) -> None:
    """Drop what killed extracts left: schemas whose name begins with `prefix`."""
    pattern = re.compile(rf"{re.escape(prefix)}([0-9]{{10}})(_s[0-9]+)?")
    with link.cursor() as cursor:
        cursor.execute("SELECT SCHEMA_NAME FROM information_schema.SCHEMATA")
        left = [found for row in cursor.fetchall() if (found := pattern.fullmatch(str(row[0])))]
    for found in left:
        with staging.owned(link, f"{prefix}{found[1]}") as is_free:
            if is_free:
                staging.drop(link, found[0])


def _order(link: Link, wish: Wish) -> tuple[Order, dict[str, str]]:
    """Return what is to be read, and what of the village is not there."""
    order = Order(
        database=wish.database,
        code=wish.code,
        becomes=ALONE,
        shift=0,
        slots=_ALL_SLOTS,
        shares=dict.fromkeys(wish.references.data_groups, FULL),
        key="",
        day=wish.day,
        wanted={},
        references=wish.references,
        is_mixed=wish.is_foreign,
        is_final=True,
    )
    if wish.is_foreign:
        return order, {}
    entry = Book(link, wish.database).entry_of(wish.code)
    if entry is None or not entry.shares:
        raise Refusal(
            "not_merged",
            f"Village {wish.code} is not in the gabungan. Merge it first, or look at its code.",
            village=wish.code,
        )
    missing = _missing(entry.shares, wish)
    if not entry.stamp:
        missing["digabungkan"] = "narrowed"
    order = replace(order, shift=-entry.shift, low=entry.shift, slots=entry.slots)
    return order, missing


def _missing(shares: Mapping[str, str], wish: Wish) -> dict[str, str]:
    consent, groups = Consent(shares, wish.references), wish.references.groups
    found = {groups[table]: share for table in groups if (share := consent.of(table)) != FULL}
    return found | dict.fromkeys(wish.unknown, "unknown")


def _not_shared(wish: Wish, missing: Mapping[str, str]) -> Refusal:
    told = ", ".join(f"{name} ({share})" for name, share in missing.items())
    return Refusal(
        "not_shared",
        f"Not all of village {wish.code} is in the gabungan: {told}. Ask for it as incomplete, or"
        " have it shared in full and merged again.",
        village=wish.code,
        missing=dict(missing),
    )


def _prepare(socket: str, link: Link, wish: Wish) -> None:
    """Make the scratch schema: a fresh database of the release without a village's rows."""
    staging.drop(link, wish.scratch)
    mariadb.create_database(link, wish.scratch, _SLUG)
    with closing(connect(socket, "root", database=wish.scratch)) as own:
        clone_database(wish.golden, own)
    with link.cursor() as cursor:
        for name in read_schema(link, wish.scratch, keys=False):
            if name not in wish.references.regency_wide and name not in {VERSIONS, CONFIG}:
                cursor.execute(f"DELETE FROM {quoted(wish.scratch)}.{quoted(name)}")


def _read(socket: str, link: Link, order: Order, file: Path) -> Manifest:
    file.unlink(missing_ok=True)
    release = schema_version(link, file.stem)
    with snapshot(socket, order.database, "keluar") as source:
        version = schema_version(source, order.database)
        if 0 < release < version:
            raise Refusal(
                "schema_newer",
                f"The database {order.database} has schema {version}, newer than {release} of the"
                " release it would be rebuilt with. Nothing was taken out.",
                database=order.database,
            )
        manifest = export(source, order, file)
    if manifest is None:
        raise Refusal(
            "not_merged",
            f"Nothing of village {order.code} is in {order.database}. Look at its code.",
            village=order.code,
        )
    return manifest


def _rebuild(link: Link, wish: Wish, manifest: Manifest, file: Path) -> int:
    """Write the rows and prove them, in one transaction as a merge does; return how many."""
    tables = contract(link, wish.scratch, wish.references)
    scope = merging.scope_of(wish.scratch, manifest, tables, wish.references)
    consent = Consent(dict.fromkeys(wish.references.data_groups, FULL), wish.references)
    with staging.staged(link, wish.scratch, manifest, file, tables) as beside:
        prints = merging.staged_prints(link, beside, manifest)
        proof = Reconciliation(link, scope, manifest, consent, prints, beside)
        link.begin()
        try:
            rows = merging.fill(link, proof, beside)
            told = identity_of(manifest.identity, {}, app_key=f"keluar:{wish.code}")
            write_identity(link, wish.scratch, ALONE, told)
            refuse(identity_differences(link, wish.scratch, ALONE, told))
            refuse(proof.differences())
            link.commit()
        except BaseException:
            link.rollback()
            raise
    return rows


def _renew_secrets(socket: str, wish: Wish, new: ExtractSecrets) -> str:
    """Give it a key of its own and its first account a password; return whose that is."""
    with closing(connect(socket, "root", database=wish.scratch)) as own, own.cursor() as cursor:
        cursor.execute("SELECT username FROM user ORDER BY id LIMIT 1")
        row: tuple[Any, ...] | None = cursor.fetchone()
        user = str(row[0]) if row else ""
        identity: Any = {"kode_desa": wish.code}
        is_done = opensid.write_identity(own, identity, new["app_key"], user, new["password_hash"])
        if not is_done:
            cursor.execute(f"UPDATE {CONFIG} SET app_key = %s", (new["app_key"],))
        return user

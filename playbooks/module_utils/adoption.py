"""Taking over a running village: looked at first, then installed with its own data.

Its `app_key` stays what it was, as what it stored can be read with that alone. What fails on the
way leaves nothing behind; a site that was there before is never touched.
"""

from __future__ import annotations

import gzip
import re
import shutil
import tarfile
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from . import golden, mariadb, removal, sandbox, site_tree, tree, village_files
from .definers import portable
from .fence import fenced
from .incoming import sql_of
from .inspection import Expected, Report, inspect
from .installation import install
from .mariadb import State
from .outcome import Refusal
from .planting import known_hashes, village_link
from .sandbox import Access, Bounds
from .scratch import scratch
from .village_files import Limits, Place

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from .account import Account
    from .order import Order
    from .outcome import Steps
    from .scratch import Scratch
    from .village_files import Plan

_ADOPTED_BY = "adopted_by"
# What stays free on the server's disk, whatever an archive says of itself.
_RESERVE = 1 << 30
_TABLE = re.compile(r"^CREATE TABLE `([^`]+)`", re.MULTILINE)


@dataclass(frozen=True)
class Upload:
    """The files of a village on this server. Without `database` the SQL lies in `files`."""

    files: str
    database: str = ""


def look(order: Order, upload: Upload, steps: Steps) -> Report:
    """Look at a village's files and data; nothing is kept.

    Raises Refusal for what cannot be read.
    """
    with scratch(order.layout) as one:
        return _look(order, upload, one, steps)[0]


def adopt(order: Order, upload: Upload, steps: Steps) -> Report:
    """Install a site with a village's own files and data.

    Raises Refusal `site_exists` when there is one already, `adoption_refused` with the findings
    that forbid it, and whatever the installation raises; nothing of the site is left then.
    """
    with scratch(order.layout) as one:
        _require_room(order)
        report, plan = _look(order, upload, one, steps)
        if report.blocking:
            findings = [asdict(finding) for finding in report.blocking]
            raise Refusal(
                "adoption_refused",
                f"{order.site['slug']} was not taken over:"
                f" {', '.join(finding.code for finding in report.blocking)}."
                " Mend that at its source, or choose what fits, then try again.",
                findings=findings,
            )
        try:
            install(order, steps, FromVillage(Path(upload.files), plan, one, _limits(order)))
        except BaseException:
            undo(order)
            raise
    return report


def undo(order: Order, *, of_any_run: bool = False) -> bool:
    """Leave nothing of a site that this run began; its account goes with `accounts_remove`.

    `of_any_run` also takes what another run began and never kept. Returns whether there was
    something.
    """
    site, layout = order.site, order.layout
    with (
        fenced(layout["lock_dir"], site["slug"], site["run_token"], dry=order.dry),
        closing(mariadb.administrator(layout["db_socket"])) as admin,
    ):
        note = site_tree.read_note(site["folder"])
        state = mariadb.state_of(admin, site["database"], site["slug"])
        is_begun = state in {State.ABSENT, State.LOADING} and not note
        is_ours = note.get(_ADOPTED_BY) == site["run_token"]
        if is_begun or is_ours or (of_any_run and _ADOPTED_BY in note):
            return removal.clear(removal.Order(layout, site, order.dry), admin, state)
    return False


def keep(order: Order) -> bool:
    """Make a site that was put in service the village's: nothing takes it back from now on."""
    site = order.site
    with fenced(order.layout["lock_dir"], site["slug"], site["run_token"]):
        note = site_tree.read_note(site["folder"])
        if note.pop(_ADOPTED_BY, None) != site["run_token"]:
            return False
        tree.apply(site["folder"], [site_tree.note_entry(note)])
    return True


def _require_room(order: Order) -> None:
    """Refuse a site that is in service; what a killed attempt left is cleared away."""
    note = site_tree.read_note(order.site["folder"])
    if note and _ADOPTED_BY not in note:
        raise Refusal(
            "site_exists",
            f"{order.site['slug']} is installed on this server already. Nothing was changed."
            " Remove that site first, or choose another server.",
            slug=order.site["slug"],
        )
    undo(order, of_any_run=True)


def _look(order: Order, upload: Upload, one: Scratch, steps: Steps) -> tuple[Report, Plan]:
    archive, report, definers = Path(upload.files), Report(), set[bytes]()
    with steps.step("files") as step:
        plan = village_files.plan(archive, one.account)
        found = village_files.survey(archive, one.account, plan.root, _limits(order))
        step.detail = f"{found.files} files"
        report.figures["files"] = found.as_dict()
        if found.left_out:
            report.add("files_left_out", count=found.left_out, names=found.examples)
        if plan.app_key != order.secrets["app_key"]:
            report.add("other_app_key", blocks=True)
    with steps.step("load"):
        source, member = _sql_of(upload, plan)
        one.load(sql_of(source, one.account, definers, member=member), _bounds(order))
    with steps.step("inspect"), closing(one.connect()) as link:
        report.figures["database_size"] = one.size()
        if definers:
            report.add("definers", count=len(definers))
        inspect(link, _expected(order, plan), report)
    return report, plan


def _sql_of(upload: Upload, plan: Plan) -> tuple[Path, PurePosixPath | None]:
    if upload.database:
        return Path(upload.database), None
    if len(plan.sql) != 1:
        raise Refusal(
            "dump_refused",
            f"The archive holds {len(plan.sql)} SQL files beside the village's folder, not one."
            " Give the SQL file apart.",
            reason=f"{len(plan.sql)} SQL files in the archive",
        )
    return Path(upload.files), plan.sql[0]


def _expected(order: Order, plan: Plan) -> Expected:
    return Expected(
        code=order.site["code"],
        app_key=plan.app_key,
        schema_version=order.site["schema_version"],
        tables=_fresh_tables(_golden(order)),
        published=frozenset(known_hashes(order)),
    )


def _golden(order: Order) -> Path:
    return golden.golden_folder(order.layout, order.site["app"], order.site["release"])


def _fresh_tables(snapshot: Path) -> frozenset[str]:
    """Return the tables of a fresh village; none when there is no snapshot of the release."""
    try:
        with gzip.open(snapshot / golden.DUMP, "rt", encoding="utf-8") as dump:
            return frozenset(_TABLE.findall(dump.read()))
    except FileNotFoundError:
        return frozenset()


def _limits(order: Order) -> Limits:
    return Limits(size=min(Limits.size, _free(order)))


def _bounds(order: Order) -> Bounds:
    return Bounds(disk_bytes=min(Bounds.disk_bytes, _free(order)))


def _free(order: Order) -> int:
    return max(0, shutil.disk_usage(order.layout["root"]).free - _RESERVE)


class FromVillage:
    """A village's own files and data; see planting.Seed."""

    def __init__(self, archive: Path, plan: Plan, source: Scratch, limits: Limits) -> None:
        self.archive = archive
        self.plan = plan
        self.source = source
        self.limits = limits
        self.remembered: Mapping[str, Any] = {}

    def told(self, order: Order) -> str:
        """Say so, and remember whose work this is: nobody else may undo it."""
        self.remembered = {_ADOPTED_BY: order.site["run_token"]}
        return "from the village's own data"

    def fill_folder(self, order: Order, fresh: Path, account: Account, web_group: int) -> None:
        """Unpack the archive; folders of a fresh village that it lacks are made for uploads."""
        place = Place(fresh, account.uid, web_group)
        for path in _fresh_folders(_golden(order)):
            place.folder(path)
        village_files.unpack(self.archive, self.source.account, self.plan.root, self.limits, place)

    def fill_database(self, order: Order, account: Account) -> Sequence[str]:  # noqa: ARG002 - the client's account owns nothing
        """Copy the throw-away schema; raises Refusal `archive_incomplete` when rows are missing."""
        site, access = order.site, self.source.access()
        target = Access(
            order.layout["db_socket"],
            site["database"],
            site["db_user"],
            order.secrets["db_password"],
        )
        client = self.source.account
        with sandbox.dump(access, client) as written:
            sandbox.load(target, client, portable(written), Bounds(), lambda: 0)
        with closing(self.source.connect()) as link, closing(village_link(order)) as own:
            wanted = mariadb.table_counts(link, access.database)
            if mariadb.table_counts(own, site["database"]) != wanted:
                raise Refusal(
                    "archive_incomplete",
                    "Not all rows of the village arrived in its database. Run this again.",
                    slug=site["slug"],
                )
        return known_hashes(order)


def _fresh_folders(snapshot: Path) -> Iterator[PurePosixPath]:
    try:
        with tarfile.open(snapshot / golden.FILES) as archive:
            for member in archive:
                if member.isdir() and member.name not in {".", "./cache", "./config"}:
                    yield PurePosixPath(member.name)
    except FileNotFoundError:
        return

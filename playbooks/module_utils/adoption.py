"""Taking over a running village: looked at first, then installed with its own data.

Its `app_key` stays what it was, as what it stored can be read with that alone. What fails on the
way leaves nothing behind; a site that was there before is never touched.
"""

from __future__ import annotations

import gzip
import re
import shutil
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from . import coming_back, golden, mariadb, removal, site_tree, tree, village_files
from .coming_back import FromBackup
from .fence import fenced
from .from_village import ADOPTED_BY, FromVillage, golden_of
from .incoming import sql_of
from .inspection import Expected, Report, inspect
from .installation import install
from .mariadb import State
from .outcome import Refusal
from .planting import known_hashes
from .sandbox import Bounds
from .scratch import scratch
from .village_files import Limits

if TYPE_CHECKING:
    from .order import Order
    from .outcome import Steps
    from .planting import Seed
    from .scratch import Scratch
    from .variables import LayoutVars, SiteVars
    from .village_files import Plan

# What stays free on the server's disk, whatever an archive says of itself.
_RESERVE = 1 << 30
_TABLE = re.compile(r"^CREATE TABLE `([^`]+)`", re.MULTILINE)


@dataclass(frozen=True)
class Upload:
    """The files of a village on this server. Without `database` the SQL lies in `files`.

    With `manifest_sha256` they are an opened backup of ours, see coming_back.py; of another
    village that `is_copied`, see training.py.
    """

    files: str
    database: str = ""
    manifest_sha256: str = ""
    is_copied: bool = False


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
        report, seed = _look(order, upload, one, steps)
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
            install(order, steps, seed)
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
        is_ours = note.get(ADOPTED_BY) == site["run_token"]
        if is_begun or is_ours or (of_any_run and ADOPTED_BY in note):
            return removal.clear(removal.Order(layout, site, order.dry), admin, state)
    return False


def keep(order: Order) -> bool:
    """Make a site that was put in service the village's: nothing takes it back from now on."""
    site = order.site
    with fenced(order.layout["lock_dir"], site["slug"], site["run_token"]):
        note = site_tree.read_note(site["folder"])
        if note.pop(ADOPTED_BY, None) != site["run_token"]:
            return False
        tree.apply(site["folder"], [site_tree.note_entry(note)])
    return True


def _require_room(order: Order) -> None:
    """Refuse a site that is in service; what a killed attempt left is cleared away."""
    note = site_tree.read_note(order.site["folder"])
    if note and ADOPTED_BY not in note:
        raise Refusal(
            "site_exists",
            f"{order.site['slug']} is installed on this server already. Nothing was changed."
            " Remove that site first, or choose another server.",
            slug=order.site["slug"],
        )
    undo(order, of_any_run=True)
    site, layout = order.site, order.layout
    with closing(mariadb.administrator(layout["db_socket"])) as admin:
        state = mariadb.state_of(admin, site["database"], site["slug"])
    if state is not State.ABSENT:
        raise Refusal(
            "database_exists",
            f"There is a database {site['database']} already, and no site it belongs to. Nothing"
            " was changed. Look what it holds, rename it, then run this again.",
            database=site["database"],
        )


def confirm(layout: LayoutVars, site: SiteVars) -> bool:
    """Keep a site that was seen to serve, of whatever run; return whether that was new.

    A move that was cut off between its check and its last step could be undone by the next else.
    """
    with fenced(layout["lock_dir"], site["slug"], site["run_token"]):
        note = site_tree.read_note(site["folder"])
        if note.pop(ADOPTED_BY, None) is None:
            return False
        tree.apply(site["folder"], [site_tree.note_entry(note)])
    return True


def _look(order: Order, upload: Upload, one: Scratch, steps: Steps) -> tuple[Report, Seed]:
    if upload.manifest_sha256:
        return _look_at_backup(order, upload, one, steps)
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
        inspect(link, _expected(order, plan.app_key), report)
    return report, FromVillage(archive, plan, one, _limits(order))


def _look_at_backup(
    order: Order, upload: Upload, one: Scratch, steps: Steps
) -> tuple[Report, Seed]:
    archive, report = Path(upload.files), Report()
    is_copied, manifest_sha256 = upload.is_copied, upload.manifest_sha256
    found = coming_back.look(order, archive, manifest_sha256, one, steps, as_copy=is_copied)
    app_key = order.secrets["app_key"] if is_copied else found.app_key
    with steps.step("inspect"), closing(one.connect()) as link:
        report.figures["database_size"] = one.size()
        inspect(link, _expected(order, app_key), report)
    coming_back.tell(found, report)
    return report, FromBackup(archive, one, is_copied=is_copied)


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


def _expected(order: Order, app_key: str) -> Expected:
    return Expected(
        code=order.site["code"],
        app_key=app_key,
        schema_version=order.site["schema_version"],
        tables=_fresh_tables(golden_of(order)),
        published=frozenset(known_hashes(order)),
    )


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

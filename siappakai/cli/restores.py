"""`siappakai backup restore|undo|forget`: bringing back what was, and going back from that."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, TextIO

import click

from siappakai.cli.asking import agree, yes_option
from siappakai.cli.backups import backup as backup  # noqa: PLC0414 - given on, with its commands
from siappakai.cli.context import actor
from siappakai.cli.following import EXIT_CODES, RunRecord, follow_option, follow_run, requested
from siappakai.cli.output import Column, Ended, Listing
from siappakai.cli.selection import site_of
from siappakai.cli.servers import server_named
from siappakai.domain.restores import check_scope
from siappakai.domain.states import UNBUILT
from siappakai.errors import InvalidInputError
from siappakai.models import Backup, Run, Site, Target, Village, db
from siappakai.services import backups, restorations, restores, runs, sites, villages


@dataclass(frozen=True, slots=True)
class TableChange:
    """A table that a restore changes."""

    table: Annotated[str, Column("Tabel", "name of the table")]
    now: Annotated[int | None, Column("Kini", "its rows now; none: there is no such table")]
    then: Annotated[int | None, Column("Kembali", "its rows in the backup")]


@dataclass(frozen=True, slots=True)
class RestoreReport:
    """What a restore would change, changed, or what kept it from that."""

    run: Annotated[int, Column("Pekerjaan", "number of the run")]
    state: Annotated[str, Column("Keadaan", "state of the run (RunState)")]
    message: Annotated[str, Column("Pesan", "what went wrong, if anything did")]
    backup: Annotated[str, Column("Cadangan", "name of the backup")]
    scope: Annotated[
        str, Column("Bagian", "site, database, files, or folder or table and its name")
    ]
    same: Annotated[int | None, Column("Tabel sama", "tables that stay as they are")]
    files_now: Annotated[int | None, Column("Berkas kini", "files there are now")]
    files_then: Annotated[int | None, Column("Berkas kembali", "files in the backup")]
    left_out: Annotated[int | None, Column("Tidak ikut", "files that cannot be laid down safely")]
    blocks: Annotated[list[str], Column("Menghalangi", "what forbids it, as stable words")]
    tables: Annotated[list[TableChange], Column("Berubah", "tables that change")]


@backup.command(
    "restore", example="siappakai backup restore 51.02.01.2001 --key-file - --look --follow"
)
@click.argument("code")
@click.option(
    "--id",
    "id_",
    type=int,
    help="Number of the backup; else the newest, or without a key the one that is open.",
)
@click.option(
    "--key-file",
    type=click.File("r"),
    help="File with the recovery key, or - for standard input. It is kept nowhere. Not needed for"
    " the backup that was opened last.",
)
@click.option(
    "--only",
    "scope",
    default="site",
    help="database, files, folder:PATH below desa/ or table:NAME; the whole site unless given.",
)
@click.option("--look", is_flag=True, help="Only tell what would change.")
@click.option("--server", "server_name", help="For a village that is gone: name of the server.")
@click.option("--domain", default="", help="For a village that is gone: domain of its site.")
@yes_option
@follow_option
def restore(
    code: str,
    *,
    id_: int | None,
    key_file: TextIO | None,
    scope: str,
    look: bool,
    server_name: str | None,
    domain: str,
    yes: bool,
    follow: bool,
) -> Ended[RestoreReport]:
    """Bring back a village, from what the stores have.

    Over a site that runs: the backup is laid down beside it and compared; look first. Then both
    change places in a moment, and what ran before is kept some days: backup undo. A village that
    is gone is installed anew, on any server, with the data, files, accounts and key of the backup.
    """
    village = villages.get_village(code)
    site = sites.find_site(village.id)
    if site is None or site.state in UNBUILT:
        _require_whole(scope, look=look)
        run = _bring_back(village, id_, key_file, server_name, domain)
    else:
        run = _restore_over(site, id_, key_file, scope, look=look, yes=yes)
    code_of_end = EXIT_CODES[follow_run(run.id)] if follow else 0
    return Ended(_report(runs.get_run(run.id)), code_of_end)


@backup.command("undo", changes=True, example="siappakai backup undo 51.02.01.2001 --follow")
@click.argument("code")
@yes_option
@follow_option
def undo(code: str, *, yes: bool, follow: bool) -> Ended[Listing[RunRecord]]:
    """Take a restore back: what ran before serves again. What ran since is kept in its place.

    Asked for again, that is taken back as well.
    """
    site = site_of(code)
    agree(f"Kembalikan {site.village.name} ke keadaan yang disimpan?", yes=yes)
    return requested([restorations.request_undo(site, by=actor())], follow=follow)


@backup.command("forget", changes=True, example="siappakai backup forget 51.02.01.2001 --follow")
@click.argument("code")
@yes_option
@follow_option
def forget(code: str, *, yes: bool, follow: bool) -> Ended[Listing[RunRecord]]:
    """Drop what a restore replaced, before its days are over; it can be undone no more then."""
    site = site_of(code)
    agree(f"Buang keadaan lama {site.village.name} untuk selamanya?", yes=yes)
    return requested([restorations.request_forget(site, by=actor())], follow=follow)


def _require_whole(scope: str, *, look: bool) -> None:
    if scope != "site" or look:
        raise InvalidInputError(
            "Situs desa ini tidak terpasang; yang dapat dipulihkan hanya seluruhnya.",
            "Ulangi tanpa --only dan --look.",
            field="only",
        )


def _bring_back(
    village: Village, id_: int | None, key_file: TextIO | None, server: str | None, domain: str
) -> Run:
    return restores.request_restore(
        backup_chosen(village, id_),
        identity=key_file.read() if key_file else "",
        server=server_named(server) if server else None,
        domain=domain,
        by=actor(),
    )


def _restore_over(
    site: Site, id_: int | None, key_file: TextIO | None, scope: str, *, look: bool, yes: bool
) -> Run:
    check_scope(scope)
    found = _meant(site, id_, with_key=key_file is not None)
    if not look:
        taken = f"{found.name}, diambil {found.taken_at:%Y-%m-%d %H:%M} UTC"
        agree(f"Ganti yang kini berjalan di {site.domain} dengan cadangan {taken}?", yes=yes)
    if key_file is not None:
        restores.open_backup(found, identity=key_file.read(), by=actor())
    return restorations.request(site, scope=scope, only_look=look, by=actor())


def _meant(site: Site, id_: int | None, *, with_key: bool) -> Backup:
    """Return the backup that is to be opened, or without a key the one that lies opened."""
    if with_key:
        return backup_chosen(site.village, id_)
    opened = restorations.opened_of(site)
    if opened is None or id_ not in {None, opened.id}:
        wanted = "Tidak ada cadangan yang" if id_ is None else f"Cadangan {id_} belum"
        raise InvalidInputError(f"{wanted} dibuka di mesin ini.", "Beri --key-file.", field="key")
    return opened


def backup_chosen(village: Village, id_: int | None) -> Backup:
    if id_ is None:
        return restores.newest_of(village)
    found = backups.get_backup(id_)
    if found.site.village_id != village.id:
        raise InvalidInputError(
            f"Cadangan {found.id} bukan milik {village.name}.", "Periksa nomornya.", field="id"
        )
    return found


def _report(run: Run) -> RestoreReport:
    db.session.refresh(run)
    target = db.session.get_one(Target, run.targets[0].id, populate_existing=True)
    told: dict[str, Any] = restorations.change_of(target)
    files = told.get("files", {})
    has_backup = run.play in restorations.WITH_BACKUP
    site = db.session.get_one(Site, target.site_id)
    found = restorations.backup_of(run, site) if has_backup else None
    return RestoreReport(
        run=run.id,
        state=run.state.value,
        message=target.message,
        backup=found.name if found else "",
        scope=run.options.get("scope", "site"),
        same=told.get("same"),
        files_now=files.get("now", {}).get("count"),
        files_then=files.get("then", {}).get("count"),
        left_out=told.get("left_out"),
        blocks=told.get("blocks", []),
        tables=[TableChange(**one) for one in told.get("tables", [])],
    )

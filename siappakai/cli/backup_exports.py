"""`siappakai backup export`: backups carried away, sealed or opened."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TextIO

import click

from siappakai.cli.context import actor
from siappakai.cli.mass_restores import backup
from siappakai.cli.output import Column, Ended, Listing
from siappakai.cli.selection import selection_options, sites_selected
from siappakai.errors import InvalidInputError, SiapPakaiError
from siappakai.models import Backup
from siappakai.services import backup_exports, backups
from siappakai.services.backup_exports import Exported


@dataclass(frozen=True, slots=True)
class ExportRecord:
    """A backup that was carried away, or why it was not."""

    id: Annotated[int, Column("Nomor", "its number")]
    village: Annotated[str, Column("Desa", "name of its village")]
    state: Annotated[str, Column("Hasil", "ok, present (it lay there already) or failed")]
    path: Annotated[str, Column("Berkas", "the sealed file, or the folder of the opened one")]
    files: Annotated[int, Column("Isi", "files in it; 1 for a sealed one", is_listed=False)]
    size: Annotated[int, Column("Bita", "bytes written")]
    left_out: Annotated[
        int, Column("Tidak ikut", "what cannot be laid down safely", is_listed=False)
    ]
    message: Annotated[str, Column("Pesan", "why it failed, and what to do")]


@backup.command(
    "export",
    example="siappakai backup export --backup 12 --to /media/stik --recovery-key kunci.txt",
)
@selection_options
@click.option("--all", "is_all", is_flag=True, help="The newest of every village of the fleet.")
@click.option("--backup", "ids", type=int, multiple=True, help="Number of a backup, repeatable.")
@click.option(
    "--to",
    "folder",
    type=click.Path(path_type=Path),
    required=True,
    help="Folder to write into; the panel's user must be allowed to.",
)
@click.option(
    "--recovery-key",
    "key_file",
    type=click.File("r"),
    help="File with the recovery key, or - for standard input: written opened, not sealed.",
)
def export(
    *,
    is_all: bool,
    ids: tuple[int, ...],
    folder: Path,
    key_file: TextIO | None,
    **selection: Any,
) -> Ended[Listing[ExportRecord]]:
    """Carry backups away: the newest of villages, or those named, out of whichever store has them.

    Each is compared with what was taken. Sealed, it gets a JSON file beside it that tells what must
    come out of it; what lies there already, whole, is not fetched again. With the recovery key each
    is opened into a folder of its own, closed to others: database.sql, files/ and manifest.json.
    """
    chosen = _chosen(ids, is_all=is_all, **selection)
    identity = key_file.read() if key_file else None
    told = [_try(one, folder, identity) for one in chosen]
    failed = [code for code, _ in told if code]
    return Ended(Listing.of(record for _, record in told), max(failed, default=0))


def _chosen(ids: Sequence[int], *, is_all: bool, **selection: Any) -> list[Backup]:
    if (bool(ids) + is_all + any(selection.values())) != 1:
        raise InvalidInputError(
            "Sebutkan --backup, desa, saringan, atau --all; salah satu saja.",
            "Misalnya: siappakai backup export --all --to FOLDER",
            field="codes",
        )
    if ids:
        return [backups.get_backup(one) for one in ids]
    site_ids = backups.all_site_ids() if is_all else [one.id for one in sites_selected(**selection)]
    found = backup_exports.newest_of(site_ids)
    if not found:
        raise InvalidInputError(
            "Tidak ada cadangan mereka di penyimpanan.",
            "Periksa dengan: siappakai backup list.",
            field="codes",
        )
    return found


def _try(found: Backup, folder: Path, identity: str | None) -> tuple[int, ExportRecord]:
    """Export one; what fails is told in its line, and the others go on."""
    number, village = found.id, found.site.village.name
    try:
        if identity is None:
            made = backup_exports.export(found, folder, by=actor())
        else:
            made = backup_exports.export_opened(found, folder, identity=identity, by=actor())
    except InvalidInputError:
        raise  # the folder, or the key: as wrong for all the others
    except SiapPakaiError as error:
        told = f"{error.what} {error.todo}"
        return error.exit_code, ExportRecord(number, village, "failed", "", 0, 0, 0, told)
    return 0, _record(number, village, made)


def _record(number: int, village: str, made: Exported) -> ExportRecord:
    state = "ok" if made.is_new else "present"
    path = str(made.path)
    return ExportRecord(number, village, state, path, made.files, made.size, made.left_out, "")

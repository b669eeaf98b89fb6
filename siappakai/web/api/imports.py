"""Lists of villages: looked at first, then taken over whole or not at all."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from pydantic import BaseModel, Field

from siappakai.domain.tables import Level
from siappakai.domain.tables import Problem as Found
from siappakai.domain.tokens import Scope
from siappakai.services import imports
from siappakai.services.tables import MAX_BYTES
from siappakai.web.api.operations import Body, operation
from siappakai.web.bearer import actor, require_play
from siappakai.web.languages import retell

_FILENAME = "api.csv"
DraftId = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{22}$", description="`id` of a preview")]
# As a file of text has it: of the control characters tabs and ends of lines alone.
Csv = Annotated[
    str,
    Field(
        max_length=MAX_BYTES,
        pattern=r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*$",
        description="first line the headings: `kode_desa`, `nama_desa`, `nama_kecamatan`, `domain`,"
        " `server`, `rilis`, `php`; separated by comma, semicolon or tab",
    ),
]


class VillageList(Body):
    """A list of villages, and of the sites to be planned for them."""

    csv: Csv


class ImportProblem(BaseModel):
    """Something to know about one cell; an error forbids the import."""

    row: Annotated[int, Field(description="line of the list, the headings being 1")]
    column: str
    level: Level
    what: str
    todo: str


class ImportPreview(BaseModel):
    """What an import would do; kept for a day, to be applied by its `id`."""

    id: str
    rows: Annotated[int, Field(description="how many villages it lists")]
    new: Annotated[int, Field(description="how many of them are not registered yet")]
    known: Annotated[int, Field(description="how many of them are registered")]
    is_applicable: Annotated[bool, Field(description="whether it has no errors")]
    problems: list[ImportProblem]


class ImportResult(BaseModel):
    """What an import did: villages registered, renamed, left as they were; sites planned."""

    created: int
    updated: int
    unchanged: int
    planned: int


@operation("POST", "/imports", Scope.VILLAGES_WRITE, status=HTTPStatus.CREATED)
def preview_import(body: VillageList) -> ImportPreview:
    """Look at a list of villages and tell what is wrong with it; the villages stay as they are."""
    found = imports.preview_import(body.csv.encode(), filename=_FILENAME, by=actor())
    return ImportPreview(
        id=found.id,
        rows=len(found.rows),
        new=found.new,
        known=found.known,
        is_applicable=found.is_applicable,
        problems=[_problem(one) for one in found.problems],
    )


@operation("POST", "/imports/<draft_id>/apply", Scope.VILLAGES_WRITE)
def apply_import(draft_id: DraftId) -> ImportResult:
    """Register the villages of a list that was looked at, whole or not at all, and only once.

    Where it plans sites, the token needs `sites:install` as well.
    """
    if imports.plans_sites(draft_id):
        require_play("install")
    done = imports.apply_import(draft_id, by=actor())
    return ImportResult(
        created=done.created,
        updated=done.updated,
        unchanged=done.unchanged,
        planned=done.planned,
    )


def _problem(found: Found) -> ImportProblem:
    return ImportProblem(
        row=found.row,
        column=found.column,
        level=found.level,
        what=retell(found.what),
        todo=retell(found.todo),
    )

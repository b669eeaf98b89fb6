"""`siappakai gabungan`: the regency's merged database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

import click

from siappakai.cli.asking import typed_count
from siappakai.cli.command import Group
from siappakai.cli.context import actor
from siappakai.cli.following import RunRecord, follow_option, requested
from siappakai.cli.output import Column, Ended, Listing
from siappakai.cli.selection import site_of
from siappakai.cli.servers import server_named
from siappakai.domain.codes import dotted
from siappakai.domain.consent import Share
from siappakai.models import Consent, Gabungan, Member
from siappakai.services import consents, merges, narrowing, releases, villages, withdrawals

SHARES = click.Choice([one.value for one in Share])


@dataclass(frozen=True, slots=True)
class MemberRecord:
    """One village in the gabungan."""

    config_id: Annotated[int, Column("Nomor", "its config.id there, for ever")]
    code: Annotated[str, Column("Kode desa", "its code")]
    name: Annotated[str, Column("Desa", "its name")]
    residents: Annotated[int, Column("Penduduk", "residents as OpenKab counts them")]
    rows: Annotated[int, Column("Baris", "rows of all tables")]
    merged_at: Annotated[datetime | None, Column("Digabungkan", "when its rows last changed")]
    checked_at: Annotated[datetime | None, Column("Diperiksa", "when it was last seen the same")]
    message: Annotated[str, Column("Pesan", "why its last merge failed")]
    waits_for: Annotated[str, Column("Menunggu", "why it is not merged now, nothing having failed")]
    shared_no_more: Annotated[
        list[str],
        Column("Belum dihapus", "groups of which the gabungan still holds more than is shared"),
    ]
    unknown: Annotated[
        list[str],
        Column("Tak dikenal", "tables left out: nobody has said what they refer to"),
    ]
    warnings: Annotated[
        list[str], Column("Catatan", "what of its schema did not fit", is_listed=False)
    ]
    quality: Annotated[
        list[str], Column("Mutu data", "rows left out as duplicates", is_listed=False)
    ]


@dataclass(frozen=True, slots=True)
class GabunganRecord:
    """The gabungan and the villages in it."""

    server: Annotated[str, Column("Server", "name of its server")]
    database: Annotated[str, Column("Basis data", "its database there")]
    release: Annotated[str, Column("Rilis", "version whose schema it has")]
    is_paused: Annotated[bool, Column("Dijeda", "whether merging is paused")]
    made_at: Annotated[datetime | None, Column("Dibuat", "when it was made")]
    verified_at: Annotated[datetime | None, Column("Dibuktikan", "when it was last proven")]
    differs: Annotated[
        dict[str, list[str]], Column("Berbeda", "tables somebody else changed, by code")
    ]
    shared: Annotated[
        dict[str, int], Column("Ganda", "how many numbers several villages have in common")
    ]
    sums_differ: Annotated[
        list[str],
        Column("Jumlah berbeda", "figures that are not the sum of the villages': sum, regency"),
    ]
    counted_twice: Annotated[
        list[str],
        Column("Terhitung ganda", "aid that OpenKab counts in two villages: of its own, counted"),
    ]
    villages: Annotated[list[MemberRecord], Column("Desa", "the villages in it")]


@dataclass(frozen=True, slots=True)
class ConsentRecord:
    """What is shared, and what that rests on."""

    version: Annotated[int, Column("Versi", "number of this decision")]
    code: Annotated[str | None, Column("Kode desa", "whose decision; null for all others")]
    document: Annotated[str, Column("Dokumen", "what it rests on")]
    shares: Annotated[dict[str, str], Column("Dibagikan", "full, masked or withheld by group")]
    runs: Annotated[
        list[int],
        Column("Pekerjaan", "runs that delete what is shared no more, and merge anew"),
    ]


@dataclass(frozen=True, slots=True)
class DatabaseUserRecord:
    """A user of the gabungan's database."""

    user: Annotated[str, Column("Pengguna", "its name; _r reads, _w also writes for OpenKab")]
    password: Annotated[str, Column("Kata sandi", "its password")]


gabungan = Group("gabungan", help="The regency's merged database.")


@gabungan.command(
    "init",
    changes=True,
    example="siappakai gabungan init --server server1 --release v2410.0.0"
    " --share-all full --share kesehatan=masked --document 470/12/2026 --follow",
)
@click.option("--server", "server_name", required=True, help="Name of the central server.")
@click.option("--release", "version", required=True, help="Pinned version of its schema.")
@click.option("--share-all", type=SHARES, help="How villages share every data group.")
@click.option("--share", "shares", multiple=True, help="One group: group=full|masked|withheld.")
@click.option("--document", default="", help="Number of the paper the decision rests on.")
@follow_option
def init(
    *,
    server_name: str,
    version: str,
    share_all: str | None,
    shares: tuple[str, ...],
    document: str,
    follow: bool,
) -> Ended[Listing[RunRecord]]:
    """Make the gabungan, and decide what villages share unless they decide themselves."""
    run = merges.request_create(
        server=server_named(server_name),
        release=releases.get_release(version),
        changes=shares,
        all_as=share_all,
        document=document,
        by=actor(),
    )
    return requested([run], follow=follow)


@gabungan.command(
    "consent",
    changes=True,
    example="siappakai gabungan consent --village 51.02.01.2001 --share surat=withheld"
    " --document 470/13/2026",
)
@click.option("--village", "code", help="Code of a village; all that decided nothing otherwise.")
@click.option("--share-all", type=SHARES, help="Every data group.")
@click.option("--share", "shares", multiple=True, help="One group: group=full|masked|withheld.")
@click.option("--document", required=True, help="Number of the paper it rests on.")
def consent(
    *, code: str | None, share_all: str | None, shares: tuple[str, ...], document: str
) -> ConsentRecord:
    """Decide what is shared; what is shared no more leaves the gabungan at once."""
    village = villages.get_village(code) if code else None
    decided, asked = narrowing.decide(
        village=village, changes=shares, all_as=share_all, document=document, by=actor()
    )
    owner, ids = village.code if village else None, [run.id for run in asked]
    return ConsentRecord(decided.id, owner, decided.document, decided.shares, ids)


@gabungan.command("merge", changes=True, example="siappakai gabungan merge --all --follow")
@click.argument("codes", nargs=-1, metavar="[CODE]...")
@click.option("--all", "everything", is_flag=True, help="All villages on the central server.")
@click.option("--whole", is_flag=True, help="Read everything anew, whatever changed.")
@follow_option
def merge(
    *, codes: tuple[str, ...], everything: bool, whole: bool, follow: bool
) -> Ended[Listing[RunRecord]]:
    """Merge villages that changed; each is proven right or left as it was."""
    ids = merges.merge_site_ids() if everything else [site_of(code).id for code in codes]
    run = merges.request_merge(site_ids=ids, whole=whole, by=actor())
    return requested([run], follow=follow)


@gabungan.command("status", example="siappakai gabungan status --json")
def status() -> GabunganRecord:
    """Show the gabungan and how fresh each village in it is."""
    return _record(merges.get_gabungan(), merges.list_members())


@gabungan.command("verify", changes=True, example="siappakai gabungan verify --follow")
@follow_option
def verify(*, follow: bool) -> Ended[Listing[RunRecord]]:
    """Compare the gabungan with what was merged, table by table; list what is held in common."""
    return requested([merges.request_verify(by=actor())], follow=follow)


@gabungan.command(
    "purge", changes=True, example="siappakai gabungan purge 51.02.01.2001 --count 1 --follow"
)
@click.argument("codes", nargs=-1, required=True, metavar="CODE...")
@click.option("--count", type=int, help="How many villages these are; asked for otherwise.")
@follow_option
def purge(*, codes: tuple[str, ...], count: int | None, follow: bool) -> Ended[Listing[RunRecord]]:
    """Take villages out of the gabungan at once, and prove that nothing is left."""
    leaving = [villages.get_village(code) for code in codes]
    question = f"{len(leaving)} desa dikeluarkan dari gabungan. Ketik jumlahnya"
    confirmed = typed_count(question, count, len(leaving))
    run = withdrawals.request_withdraw(villages=leaving, confirmed_count=confirmed, by=actor())
    return requested([run], follow=follow)


@gabungan.command("pause", changes=True, example="siappakai gabungan pause")
def pause() -> GabunganRecord:
    """Merge nothing until it is resumed."""
    return _record(merges.pause(is_paused=True, by=actor()), merges.list_members())


@gabungan.command("resume", changes=True, example="siappakai gabungan resume")
def resume() -> GabunganRecord:
    """Merge again."""
    return _record(merges.pause(is_paused=False, by=actor()), merges.list_members())


@gabungan.command("users", changes=True, example="siappakai gabungan users --json")
def users() -> Listing[DatabaseUserRecord]:
    """Show the database users of the gabungan with their passwords; audited."""
    found = merges.user_passwords(by=actor())
    return Listing.of(
        DatabaseUserRecord(name, password) for name, password in sorted(found.items())
    )


def _record(found: Gabungan, members: Sequence[Member]) -> GabunganRecord:
    seen, known = found.verified.get("villages", {}), consents.newest()
    return GabunganRecord(
        server=found.server.name,
        database=found.schema,
        release=found.release.version,
        is_paused=found.is_paused,
        made_at=found.made_at,
        verified_at=found.verified_at,
        differs={code: told["differs"] for code, told in seen.items() if told["differs"]},
        shared={told["of"]: told["count"] for told in found.verified.get("shared", [])},
        sums_differ=_triples(found.verified, "differs"),
        counted_twice=_triples(found.verified, "explained"),
        villages=[_member(one, known) for one in members],
    )


def _triples(verified: Mapping[str, Any], kind: str) -> list[str]:
    found = verified.get("sums", {}).get(kind, [])
    return [f"{name}: {first}, {second}" for name, first, second in found]


def _member(one: Member, known: Mapping[int | None, Consent]) -> MemberRecord:
    return MemberRecord(
        config_id=one.id,
        code=dotted(one.village.code),
        name=one.village.name,
        residents=one.report.get("statistics", {}).get("penduduk", 0),
        rows=one.rows,
        merged_at=one.merged_at,
        checked_at=one.checked_at,
        message=one.message,
        waits_for=one.waits_for,
        shared_no_more=narrowing.too_much_of(one, known),
        unknown=sorted(
            name for name, told in one.report.get("tables", {}).items() if told[2] == "unknown"
        ),
        warnings=one.report.get("warnings", []),
        quality=one.report.get("quality", []),
    )

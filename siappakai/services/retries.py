"""What failed, asked for again: by the rules and on the servers of today."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select

from siappakai.ansible.plays import CATALOGUE
from siappakai.domain.codes import dotted
from siappakai.domain.states import RETRYABLE, TERMINAL, SiteState
from siappakai.errors import ConflictError, RefusedError
from siappakai.models import Run, Site, Target, db
from siappakai.models.transactions import transaction
from siappakai.services import (
    adoptions,
    backups,
    exports,
    merges,
    restorations,
    runs,
    servers,
    sites,
    withdrawals,
)
from siappakai.wording import say

# Asked for site by site with the number typed again, never repeated in place.
REMOVE = "remove"
# What is not repeated from its own run.
ASKED_ANEW = frozenset({REMOVE, exports.EXPORT, exports.EXTRACT})
# What takes something away, or another's place: asked for by somebody who proved who they are.
DANGEROUS = frozenset(
    {
        restorations.RESTORE,
        restorations.UNDO,
        restorations.FORGET,
        merges.WITHDRAW,
        merges.NARROW,
    }
)


def retry_failed(run_id: int, *, by: str) -> list[Run]:
    """Ask again for the targets of a run that did not succeed; one run per server.

    Raises ConflictError when the run has not ended, nothing in it failed or it is being
    repeated already, RefusedError for a removal, and the errors of the request itself.
    """
    with transaction() as session:
        run = runs.get_run(run_id)
        session.refresh(run, with_for_update=True)
        failed = _failed(run)
        _refuse_second(run)
        if CATALOGUE[run.play].scope == "servers":
            return _again_on_servers(run, failed, by=by)
        found = failed_sites(run)
        if not found:
            raise ConflictError(
                say("Situs yang gagal pada pekerjaan %(run_id)s sudah tidak ada.", run_id=run_id),
                say("Tidak perlu mengulang."),
            )
        return _again(run, found, by=by)


def _again_on_servers(run: Run, failed: Sequence[Target], *, by: str) -> list[Run]:
    if run.play == "server":
        return [servers.request_prepare(t.server_id, by=by, retry_of=run.id) for t in failed]
    if run.play == backups.COPY:
        servers_ = [servers.get_server(target.server_id) for target in failed]
        return [backups.request_copy(one, by=by, retry_of=run.id) for one in servers_]
    if run.play == backups.PROVE:
        return backups.request_prove(backup_ids=run.options["backups"], by=by, retry_of=run.id)
    if run.play == exports.EXTRACT:
        raise _delivery_refused(run, f"siappakai gabungan extract {run.options['code']}")
    return [withdrawals.again(run, by=by)]


def failed_sites(run: Run) -> list[Site]:
    """Return the sites of a run's failed targets, those removed meanwhile left out."""
    ids = [target.site_id for target in run.targets if target.state in RETRYABLE]
    query = select(Site).where(Site.id.in_(ids), Site.state != SiteState.REMOVED).order_by(Site.id)
    return list(db.session.scalars(query))


def _failed(run: Run) -> list[Target]:
    if run.state not in TERMINAL:
        raise ConflictError(
            say("Pekerjaan %(run)s belum selesai.", run=run.id),
            say("Tunggu sampai selesai, atau batalkan dahulu."),
        )
    failed = [target for target in run.targets if target.state in RETRYABLE]
    if not failed:
        raise ConflictError(
            say("Tidak ada yang gagal pada pekerjaan %(run)s.", run=run.id),
            say("Tidak perlu mengulang."),
        )
    return failed


def _refuse_second(run: Run) -> None:
    still_open = select(Run.id).where(Run.retry_of_id == run.id, Run.state.not_in(TERMINAL))
    other = db.session.scalar(still_open.limit(1))
    if other is not None:
        raise ConflictError(
            say(
                "Pekerjaan %(run)s sedang diulang dalam pekerjaan %(other)s.",
                run=run.id,
                other=other,
            ),
            say("Ikuti pekerjaan %(other)s sampai selesai.", other=other),
        )


def _removal_refused(run: Run, found: Sequence[Site]) -> RefusedError:
    codes = " ".join(dotted(site.village.code) for site in found)
    return RefusedError(
        say(
            "Pekerjaan %(run)s adalah penghapusan; itu tidak diulang tanpa menyebut situsnya.",
            run=run.id,
        ),
        say(
            "Hapus lagi dengan jumlahnya diketik ulang: siappakai site remove %(codes)s",
            codes=codes,
        ),
    )


def _delivery_refused(run: Run, command: str) -> RefusedError:
    """Nobody would wait for the archive: it goes to whoever asked for it."""
    return RefusedError(
        say("Pekerjaan %(run)s menyerahkan data kepada yang memintanya.", run=run.id),
        say("Minta lagi di tempat arsipnya ditunggu: %(command)s", command=command),
    )


def _again(run: Run, found: Sequence[Site], *, by: str) -> list[Run]:
    if run.play == REMOVE:
        raise _removal_refused(run, found)
    if run.play == exports.EXPORT:
        code = dotted(found[0].village.code)
        raise _delivery_refused(run, f"siappakai village export --village {code}")
    ids = [site.id for site in found]
    if run.play == backups.TAKE:
        return backups.request_take(site_ids=ids, by=by, retry_of=run.id)
    if run.play == "health":
        return sites.request_health(site_ids=ids, by=by, retry_of=run.id)
    if run.play in restorations.ON_SITE:
        return restorations.again(run, found, by=by)
    if run.play in {adoptions.LOOK, adoptions.ADOPT}:
        return [adoptions.again(run, site, by=by) for site in found]
    if run.play == merges.MERGE:
        whole = run.options["whole"]
        # Those that have left meanwhile stay out; only they left, the request says so.
        ids = sorted(set(ids) & set(merges.merge_site_ids())) or ids
        return [merges.request_merge(site_ids=ids, whole=whole, by=by, retry_of=run.id)]
    release = run.options["release_id"]
    return sites.request_install(site_ids=ids, release_id=release, by=by, retry_of=run.id)

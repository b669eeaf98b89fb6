"""Renewing what is secret of sites, when somebody may know it who should not."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from siappakai.domain.states import UNBUILT
from siappakai.errors import RefusedError
from siappakai.models import Run, Site
from siappakai.models.transactions import transaction
from siappakai.services import audit, site_secrets, sites
from siappakai.wording import say


def renew_db_passwords(*, site_ids: Sequence[int], by: str) -> list[Run]:
    """Give sites new database passwords, put in force by installing each at its own release.

    Until its run has done so a site goes on with the password it has, and a run that fails can
    be repeated. Raises RefusedError for a site that is not installed, ConflictError while a run
    is at one, and the errors of sites.request_install.
    """
    with transaction():
        by_release: dict[int, list[int]] = defaultdict(list)
        for site in sites.get_sites(site_ids):
            by_release[_release_of(site)].append(site.id)
            sites.refuse_busy(site)
            site.db_password_sealed = site_secrets.new_db_password()
            audit.record("site.renew_db_password", site.village.code, by=by)
        return [
            run
            for release_id, ids in by_release.items()
            for run in sites.request_install(site_ids=ids, release_id=release_id, by=by)
        ]


def _release_of(site: Site) -> int:
    if site.state in UNBUILT or site.release_id is None:
        raise RefusedError(
            say("Situs %(village)s belum terpasang.", village=site.village.name),
            say("Pasang situsnya dahulu; kata sandinya dibuat saat itu."),
        )
    return site.release_id

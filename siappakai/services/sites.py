"""Sites: plan one for a village, then ask for its install, check or removal."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import ColumnElement, select

from siappakai.domain.naming import check_certificate, check_domain
from siappakai.domain.states import TERMINAL, UNBUILT, ServerState, SiteState
from siappakai.errors import ConflictError, InvalidInputError, NotFoundError, RefusedError
from siappakai.models import Release, Run, Server, Site, Target, Village, db
from siappakai.models.transactions import transaction
from siappakai.services import audit, outcomes, releases, runs, site_secrets
from siappakai.services.paging import Page, paginate
from siappakai.services.site_secrets import SealedSecrets
from siappakai.wording import say

OPENSID = "opensid"


def get_site(site_id: int) -> Site:
    """Return a site; raises NotFoundError."""
    site = db.session.get(Site, site_id)
    if site is None:
        raise NotFoundError(
            say("Situs %(site_id)s tidak ada.", site_id=site_id), say("Lihat daftar desa.")
        )
    return site


def find_site(village_id: int, app: str = OPENSID) -> Site | None:
    """Return the site of an app for a village, if one was ever planned."""
    return db.session.scalar(select(Site).where(Site.village_id == village_id, Site.app == app))


def is_real() -> ColumnElement[bool]:
    """Tell which sites are those of villages, rather than copies to train on."""
    # Copies are few, and found once; whether a site's village is one would be asked for each.
    return Site.village_id.not_in(select(Village.id).where(Village.copy_of != ""))


def list_sites(
    *,
    server_id: int | None = None,
    state: SiteState | None = None,
    page: int = 1,
    per_page: int = 50,
) -> Page[Site]:
    """Return sites by village name."""
    query = select(Site).join(Site.village).order_by(Village.name, Site.id)
    if server_id is not None:
        query = query.where(Site.server_id == server_id)
    if state is not None:
        query = query.where(Site.state == state)
    return paginate(query, lambda row: row[0], page=page, per_page=per_page)


def plan_site(
    *,
    village: Village,
    server: Server,
    domain: str,
    release: Release | None = None,
    php: str | None = None,
    certificate: tuple[str, str] = ("", ""),
    app: str = OPENSID,
    secrets: SealedSecrets | None = None,
    by: str,
) -> Site:
    """Decide where a village's site shall live, and make its secrets; nothing is installed yet.

    A site that was removed, or is only planned, is planned anew. Who plans many in one
    transaction makes their `secrets` before it. `certificate` names chain and key on the server;
    without them the site is served over HTTP. Raises InvalidInputError for a bad domain, path or
    PHP version, ConflictError when the domain is taken, the site exists or a run is at it.
    """
    domain = check_domain(domain)
    chain, key = check_certificate(*certificate)
    chosen = php or server.php_versions[0]
    if chosen not in server.php_versions:
        raise InvalidInputError(
            say(
                "PHP %(chosen)s tidak ada di server %(server)s.", chosen=chosen, server=server.name
            ),
            say("Pilih dari: %(choices)s.", choices=", ".join(server.php_versions)),
            field="php",
        )
    with transaction() as session:
        _refuse_taken_domain(domain, village)
        site = find_site(village.id, app) or Site(village_id=village.id, app=app)
        if site.state not in {None, SiteState.PLANNED, SiteState.REMOVED}:
            raise ConflictError(
                say(
                    "%(village)s sudah punya situs di %(domain)s.",
                    village=village.name,
                    domain=site.domain,
                ),
                say("Hapus situs itu dahulu bila ingin memindahkannya."),
            )
        refuse_busy(site)
        if site.state is not SiteState.PLANNED:
            for name, value in asdict(site_secrets.sealed_now(secrets)).items():
                setattr(site, name, value)
        site.state = SiteState.PLANNED
        site.server_id = server.id
        site.domain = domain
        site.php = chosen
        site.certificate, site.certificate_key = chain, key
        site.wanted_release_id = release.id if release else None
        session.add(site)
        session.flush()
        audit.record("site.plan", village.code, by=by, detail={"domain": domain})
        return site


def refuse_busy(site: Site) -> None:
    """Raise ConflictError while a run is asked for, or at work on, a site."""
    query = select(Target.run_id).where(Target.site_id == site.id, Target.state.not_in(TERMINAL))
    busy = db.session.scalar(query.limit(1)) if site.id else None
    if busy is not None:
        raise ConflictError(
            say(
                "Pekerjaan %(busy)s masih mengerjakan situs %(domain)s.",
                busy=busy,
                domain=site.domain,
            ),
            say("Tunggu sampai selesai, atau batalkan dahulu."),
        )


def _refuse_taken_domain(domain: str, village: Village) -> None:
    other = db.session.scalar(select(Site).where(Site.domain == domain))
    if other is not None and other.village_id != village.id:
        raise ConflictError(
            say(
                "Domain %(domain)s sudah dipakai %(village)s.",
                domain=domain,
                village=other.village.name,
            ),
            say("Pilih domain lain."),
        )


def set_certificate(site_id: int, *, chain: str, key: str, by: str) -> Site:
    """Name the certificate chain and key, on its server, that a site is served with.

    Both empty for HTTP. The site's next install puts it into force. Raises InvalidInputError
    for a bad path, ConflictError while a run is at the site, RefusedError for a removed one.
    """
    chain, key = check_certificate(chain, key)
    with transaction():
        site = get_site(site_id)
        _refuse_removed(site)
        refuse_busy(site)
        if chain != site.certificate:
            site.certificate_expires_at = None
        site.certificate, site.certificate_key = chain, key
        audit.record("site.certificate", site.village.code, by=by, detail={"chain": chain})
        return site


def admin_login(site_id: int, *, by: str) -> tuple[str, str]:
    """Return the user name and password of a site's first administrator; audited.

    Raises RefusedError for a village that moved in with passwords of its own.
    """
    with transaction():
        site = get_site(site_id)
        if not site.admin_password_sealed:
            raise RefusedError(
                say("%(village)s pindah dengan akunnya sendiri.", village=site.village.name),
                say("Masuk dengan kata sandi yang dipakai desa itu sebelum pindah."),
            )
        audit.record("site.reveal", site.village.code, by=by)
        return site.admin_user, site_secrets.unsealed(site.admin_password_sealed)


def request_install(
    *, site_ids: Sequence[int], release_id: int, by: str, retry_of: int | None = None
) -> list[Run]:
    """Ask for sites to be installed at a release; one run per server.

    Raises RefusedError when a server is not ready, the release was not seen working on a
    site's PHP, or a site already runs another release.
    """
    with transaction() as session:
        release = session.get(Release, release_id)
        if release is None:
            raise NotFoundError(
                say("Rilis %(release_id)s tidak ada.", release_id=release_id),
                say("Lihat daftar rilis."),
            )
        sites = get_sites(site_ids)
        for site in sites:
            _check_installable(site, release)
            site.wanted_release_id = release.id
        options = {"release_id": release.id}
        return _per_server("install", sites, by=by, retry_of=retry_of, options=options)


def _check_installable(site: Site, release: Release) -> None:
    name = site.village.name
    _refuse_removed(site)
    if site.server.state is not ServerState.READY:
        raise RefusedError(
            say("Server %(server)s belum siap.", server=site.server.name),
            say("Siapkan server itu dahulu."),
        )
    releases.check_php_seen(release, site.php)
    if site.release_id not in {None, release.id}:
        raise RefusedError(
            say("%(name)s sudah memakai rilis lain.", name=name),
            say("Pindah rilis adalah pembaruan, bukan pemasangan."),
        )


def request_health(*, site_ids: Sequence[int], by: str, retry_of: int | None = None) -> list[Run]:
    """Ask for sites to be looked at; one run per server.

    Sites that have nothing on their server are left out; raises RefusedError when no other is
    among them.
    """
    with transaction():
        sites = [site for site in get_sites(site_ids) if site.state not in UNBUILT]
        if not sites:
            raise RefusedError(
                say("Tidak ada situs terpasang untuk diperiksa."),
                say("Pasang situsnya dahulu, atau pilih desa yang situsnya sudah terpasang."),
            )
        return _per_server("health", sites, by=by, retry_of=retry_of)


def request_remove(*, site_ids: Sequence[int], confirmed_count: int, by: str) -> list[Run]:
    """Ask for sites to be archived and removed; the number of them must be given again.

    A site that is only planned has nothing on its server: it is removed at once, without a run.
    Raises ConflictError while a run is at such a site, InvalidInputError for a wrong number,
    RefusedError for a site that was removed before.
    """
    with transaction():
        sites = get_sites(site_ids)
        for site in sites:
            _refuse_removed(site)
        if confirmed_count != len(sites):
            raise InvalidInputError(
                say(
                    "Yang akan dihapus %(count)s situs, bukan %(confirmed_count)s.",
                    count=len(sites),
                    confirmed_count=confirmed_count,
                ),
                say("Ketik jumlah situs yang benar."),
                field="confirmed_count",
            )
        for site in sites:
            if site.state is SiteState.PLANNED:
                _drop_plan(site, by=by)
        built = [site for site in sites if site.state is not SiteState.REMOVED]
        return _per_server("remove", built, by=by)


def _drop_plan(site: Site, *, by: str) -> None:
    refuse_busy(site)
    audit.record("site.remove", site.village.code, by=by, detail={"domain": site.domain})
    outcomes.mark_removed(site)


def get_sites(site_ids: Sequence[int]) -> list[Site]:
    """Return sites, each once; raises NotFoundError, and InvalidInputError for none."""
    unique = sorted(set(site_ids))
    sites = list(db.session.scalars(select(Site).where(Site.id.in_(unique)).order_by(Site.id)))
    missing = set(unique) - {site.id for site in sites}
    if missing:
        raise NotFoundError(
            say("Situs tidak ada: %(missing)s.", missing=sorted(missing)),
            say("Muat ulang daftarnya."),
        )
    if not sites:
        raise InvalidInputError(
            say("Tidak ada situs yang dipilih."), say("Pilih paling sedikit satu.")
        )
    return sites


def _refuse_removed(site: Site) -> None:
    if site.state is SiteState.REMOVED:
        raise RefusedError(
            say("Situs %(village)s sudah dihapus.", village=site.village.name),
            say("Rencanakan situsnya lagi dahulu."),
        )


def _per_server(
    play: str,
    sites: Sequence[Site],
    *,
    by: str,
    retry_of: int | None = None,
    options: dict[str, Any] | None = None,
) -> list[Run]:
    groups: dict[int, list[Site]] = defaultdict(list)
    for site in sites:
        groups[site.server_id].append(site)
    return [
        runs.create_site_run(play, group, by=by, retry_of=retry_of, options=options)
        for group in groups.values()
    ]

"""From the registry to what a play needs of each server and site."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from siappakai.ansible.inventory import ServerHost, SiteHost
from siappakai.ansible.plays import (
    CATALOGUE,
    Certificate,
    Identity,
    ReleaseVars,
    SiteSecrets,
    SiteVars,
)
from siappakai.credentials import KeyRing, load_key_ring
from siappakai.domain.naming import ServerLayout, site_names
from siappakai.domain.states import RunState, SiteState
from siappakai.errors import ConflictError, SiapPakaiError
from siappakai.models import Release, Run, Server, Site, Target, Village, db
from siappakai.models.app import current_settings
from siappakai.services import keys, merges, releases, servers
from siappakai.wording import say


@dataclass(frozen=True, slots=True)
class PlayedServer:
    """A server of the registry beside its host in the inventory."""

    server: Server
    host: ServerHost


@dataclass(frozen=True, slots=True)
class Cast:
    """Who takes part in a play; `unfit` tells by target id why some cannot."""

    servers: list[PlayedServer]
    unfit: dict[int, str]


def hosts_of(run: Run, targets: Sequence[Target], *, is_shipped: bool) -> Cast:
    """Return the inventory hosts of a run's targets.

    `is_shipped` also makes the code of their releases ready; only an install needs that, a
    probe must not wait for a download. Raises the errors of `releases.ensure_archive` and of a
    missing key ring; what is wrong with one site makes that one unfit.
    """
    by_server: dict[int, list[Target]] = defaultdict(list)
    ring = load_key_ring(current_settings().credentials_file)
    unfit: dict[int, str] = {}
    for target in targets:
        try:
            _check_fit(run, target, ring)
        except SiapPakaiError as error:
            unfit[target.id] = error.told
        else:
            by_server[target.server_id].append(target)
    played = [
        _server_host(
            run, db.session.get_one(Server, server_id), members, ring, is_shipped=is_shipped
        )
        for server_id, members in by_server.items()
    ]
    return Cast(played, unfit)


def keys_for(played: Sequence[PlayedServer]) -> tuple[str, str]:
    """Return our private key and the pinned host keys; both empty when no SSH is needed."""
    remote = [one.server for one in played if one.server.connection == "ssh"]
    if not remote:
        return "", ""
    return keys.private_key_text(), servers.known_hosts_text(remote)


def identity_of(village: Village) -> Identity:
    """Return who a village is, as OpenSID's `config` row wants it."""
    district = village.district
    regency = district.regency
    return Identity(
        nama_desa=village.name,
        kode_desa=village.code,
        nama_kecamatan=district.name,
        kode_kecamatan=district.code,
        nama_kabupaten=regency.name,
        kode_kabupaten=regency.code,
        nama_propinsi=regency.province_name,
        kode_propinsi=regency.province_code,
    )


def _check_fit(run: Run, target: Target, ring: KeyRing) -> None:
    """Raise SiapPakaiError when the site of a target cannot be played."""
    if target.site_id is None:
        return
    site = db.session.get_one(Site, target.site_id)
    if target.state is RunState.QUEUED:
        _check_wanted(run, site)
    if site.server_id != target.server_id:
        raise ConflictError(
            say(
                "Situs %(domain)s sudah direncanakan di server %(server)s.",
                domain=site.domain,
                server=site.server.name,
            ),
            say("Mintalah lagi pekerjaannya di server itu."),
        )
    _release_of(run, site)
    _secrets(site, ring)


def _check_wanted(run: Run, site: Site) -> None:
    """Raise ConflictError when what was asked for makes no sense any more: runs take turns.

    RefusedError for a village that has left the gabungan it was to be merged into.
    """
    if run.play == merges.MERGE:
        merges.refuse_left(merges.find_member(site.village), site.village)
    if site.state is SiteState.REMOVED:
        raise ConflictError(
            say("Situs %(village)s sudah dihapus.", village=site.village.name),
            say("Rencanakan situsnya lagi dahulu."),
        )
    if CATALOGUE[run.play].installs and site.release_id not in {None, run.options["release_id"]}:
        raise ConflictError(
            say("%(name)s sudah memakai rilis lain.", name=site.village.name),
            say("Pindah rilis adalah pembaruan, bukan pemasangan."),
        )


def _release_of(run: Run, site: Site) -> Release:
    """Return the release a run was asked for, or else the one a site has or shall have."""
    release = site.release or site.wanted_release
    if "release_id" in run.options:
        release = db.session.get(Release, run.options["release_id"])
    if release is None:
        raise ConflictError(
            say("Situs %(domain)s belum punya rilis.", domain=site.domain),
            say("Pasang situs itu dengan satu rilis dahulu."),
        )
    return release


def _server_host(
    run: Run, server: Server, targets: Sequence[Target], ring: KeyRing, *, is_shipped: bool
) -> PlayedServer:
    layout = servers.layout_of(server)
    to_site = partial(_site_host, run, layout, ring=ring, archives={}, is_shipped=is_shipped)
    sites = [db.session.get_one(Site, t.site_id) for t in targets if t.site_id is not None]
    host = ServerHost(
        name=f"server-{server.id}",
        connection=servers.connection_vars(server),
        layout=layout,
        sites=[to_site(site) for site in sites],
    )
    return PlayedServer(server, host)


def _site_host(
    run: Run,
    layout: ServerLayout,
    site: Site,
    *,
    ring: KeyRing,
    archives: dict[int, ReleaseVars],
    is_shipped: bool,
) -> SiteHost:
    release = _release_of(run, site)
    if release.id not in archives:
        to_vars = releases.release_vars if is_shipped else releases.unshipped_vars
        archives[release.id] = to_vars(release)
    return SiteHost(
        site=_site_vars(run, layout, site, release),
        secrets=_secrets(site, ring),
        release=archives[release.id],
    )


def _site_vars(run: Run, layout: ServerLayout, site: Site, release: Release) -> SiteVars:
    names = site_names(layout, app=site.app, code=site.village.code)
    certificate = Certificate(site.certificate, site.certificate_key) if site.certificate else None
    return SiteVars(
        slug=names.slug,
        app=site.app,
        code=site.village.code,
        unix_user=names.unix_user,
        database=names.database,
        db_user=names.db_user,
        folder=names.folder,
        socket=names.socket,
        domain=site.domain,
        php=site.php,
        release=release.version,
        schema_version=release.schema_version,
        benign_patterns=release.benign_patterns,
        run_token=run.token,
        identity=identity_of(site.village),
        certificate=certificate,
    )


def _secrets(site: Site, ring: KeyRing) -> SiteSecrets:
    return SiteSecrets(
        db_password=ring.unseal(site.db_password_sealed),
        app_key=ring.unseal(site.app_key_sealed),
        admin_user=site.admin_user,
        admin_password_hash=site.admin_password_hash,
    )

"""`siappakai site`: the OpenSID sites of villages, named by their kode desa."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

import click

from siappakai.cli.asking import typed_count
from siappakai.cli.command import Group
from siappakai.cli.context import actor
from siappakai.cli.following import RunRecord, follow_option, requested
from siappakai.cli.output import Column, Ended, Listing, listing
from siappakai.cli.paging import page_options
from siappakai.cli.selection import selection_options, site_of, sites_selected
from siappakai.cli.servers import server_named
from siappakai.domain.codes import dotted
from siappakai.domain.states import SiteState
from siappakai.models import Site
from siappakai.services import releases, renewals, sites, villages
from siappakai.services.paging import MAX_PER_PAGE


@dataclass(frozen=True, slots=True)
class SiteRecord:
    """OpenSID installed, or to be installed, for a village."""

    id: Annotated[int, Column("Nomor", "its number in the registry", is_listed=False)]
    code: Annotated[str, Column("Kode", "kode desa of its village, dotted")]
    village: Annotated[str, Column("Desa", "name of its village")]
    app: Annotated[str, Column("Aplikasi", "the app", is_listed=False)]
    domain: Annotated[str, Column("Domain", "its domain")]
    server: Annotated[str, Column("Server", "name of the server that holds it")]
    php: Annotated[str, Column("PHP", "PHP version it runs on")]
    state: Annotated[str, Column("Keadaan", "planned, installing, active, broken or removed")]
    release: Annotated[str | None, Column("Rilis", "version it serves")]
    wanted_release: Annotated[
        str | None, Column("Rilis diminta", "version last asked for", is_listed=False)
    ]
    message: Annotated[str, Column("Pesan", "what the last run said of it", is_listed=False)]
    checked_at: Annotated[
        datetime | None, Column("Diperiksa", "when a run last ended on it", is_listed=False)
    ]
    installed_at: Annotated[
        datetime | None, Column("Dipasang", "when it was first installed", is_listed=False)
    ]


@dataclass(frozen=True, slots=True)
class SiteLogin:
    """How the first administrator of a site signs in. Secret."""

    domain: Annotated[str, Column("Domain", "domain of the site")]
    user: Annotated[str, Column("Pengguna", "user name")]
    password: Annotated[str, Column("Kata sandi", "password, in clear")]


site = Group("site", help="Plan, install, check and remove sites.")


@site.command("list", example="siappakai site list --server server1 --state broken")
@click.option("--server", "server_name", help="Name of a server.")
@click.option(
    "--state", type=click.Choice([one.value for one in SiteState]), help="State of the site."
)
@page_options(per_page=MAX_PER_PAGE)
def list_sites(
    server_name: str | None, state: str | None, page: int, per_page: int
) -> Listing[SiteRecord]:
    """List sites by the name of their village."""
    found = sites.list_sites(
        server_id=server_named(server_name).id if server_name else None,
        state=SiteState(state) if state else None,
        page=page,
        per_page=per_page,
    )
    return listing(found, _record)


@site.command("show", example="siappakai site show 51.02.01.2001")
@click.argument("code")
def show_site(code: str) -> SiteRecord:
    """Show the site of a village."""
    return _record(site_of(code))


@site.command(
    "plan",
    changes=True,
    example="siappakai site plan 51.02.01.2001 --server server1 --domain bajera.desa.id",
)
@click.argument("code")
@click.option("--server", "server_name", required=True, help="Name of the server.")
@click.option("--domain", required=True, help="Domain of the site.")
@click.option("--release", "version", help="Version to install later.")
@click.option("--php", help="PHP version; the server's first unless given.")
@click.option("--certificate", default="", help="Path on the server of the certificate chain.")
@click.option("--certificate-key", default="", help="Path on the server of its key.")
def plan_site(
    code: str,
    *,
    server_name: str,
    domain: str,
    version: str | None,
    php: str | None,
    certificate: str,
    certificate_key: str,
) -> SiteRecord:
    """Decide where a village's site shall live; nothing is installed yet."""
    planned = sites.plan_site(
        village=villages.get_village(code),
        server=server_named(server_name),
        domain=domain,
        release=releases.get_release(version) if version else None,
        php=php,
        certificate=(certificate, certificate_key),
        by=actor(),
    )
    return _record(planned)


@site.command(
    "certificate",
    changes=True,
    example="siappakai site certificate 51.02.01.2001"
    " --certificate /etc/ssl/desa/chain.pem --certificate-key /etc/ssl/desa/key.pem",
)
@click.argument("code")
@click.option("--certificate", required=True, help="Path on the server of the certificate chain.")
@click.option("--certificate-key", required=True, help="Path on the server of its key.")
def set_certificate(code: str, *, certificate: str, certificate_key: str) -> SiteRecord:
    """Serve a village's site over HTTPS from its next install on; both empty for HTTP."""
    changed = sites.set_certificate(
        site_of(code).id, chain=certificate, key=certificate_key, by=actor()
    )
    return _record(changed)


@site.command(
    "install",
    changes=True,
    example="siappakai site install --server server1 --state planned --release v2410.0.0 --follow",
)
@selection_options
@click.option("--release", "version", required=True, help="Pinned version to install.")
@follow_option
def request_install(version: str, *, follow: bool, **selection: Any) -> Ended[Listing[RunRecord]]:
    """Install planned sites, or finish installs that broke off; one run per server."""
    release_id = releases.get_release(version).id
    chosen = [one.id for one in sites_selected(**selection)]
    runs = sites.request_install(site_ids=chosen, release_id=release_id, by=actor())
    return requested(runs, follow=follow)


@site.command("health", example="siappakai site health 51.02.01.2001 --follow", changes=True)
@selection_options
@follow_option
def request_health(*, follow: bool, **selection: Any) -> Ended[Listing[RunRecord]]:
    """Check that sites serve what they should; one run per server."""
    chosen = [one.id for one in sites_selected(**selection)]
    return requested(sites.request_health(site_ids=chosen, by=actor()), follow=follow)


@site.command(
    "remove", changes=True, example="siappakai site remove 51.02.01.2001 --count 1 --follow"
)
@selection_options
@click.option("--count", type=int, help="How many sites will be removed; asked for otherwise.")
@follow_option
def request_remove(
    count: int | None, *, follow: bool, **selection: Any
) -> Ended[Listing[RunRecord]]:
    """Archive sites, then remove them from their servers; one run per server."""
    chosen = sites_selected(**selection)
    names = ", ".join(one.domain for one in chosen[:5])
    more = f" dan {len(chosen) - 5} lainnya" * (len(chosen) > 5)  # noqa: PLR2004 - as many as fit a line
    counted = typed_count(f"Yang dihapus: {names}{more}. Ketik jumlahnya", count, len(chosen))
    runs = sites.request_remove(
        site_ids=[one.id for one in chosen], confirmed_count=counted, by=actor()
    )
    return requested(runs, follow=follow)


@site.command("password", example="siappakai site password 51.02.01.2001")
@click.argument("code")
def admin_login(code: str) -> SiteLogin:
    """Show how the first administrator of a village's site signs in; this is audited."""
    found = site_of(code)
    user, password = sites.admin_login(found.id, by=actor())
    return SiteLogin(found.domain, user, password)


@site.command(
    "renew-db-password",
    changes=True,
    example="siappakai site renew-db-password 51.02.01.2001 --follow",
)
@selection_options
@follow_option
def renew_db_passwords(*, follow: bool, **selection: Any) -> Ended[Listing[RunRecord]]:
    """Give installed sites new database passwords; people visit them meanwhile as ever."""
    chosen = [one.id for one in sites_selected(**selection)]
    return requested(renewals.renew_db_passwords(site_ids=chosen, by=actor()), follow=follow)


def _record(found: Site) -> SiteRecord:
    return SiteRecord(
        id=found.id,
        code=dotted(found.village.code),
        village=found.village.name,
        app=found.app,
        domain=found.domain,
        server=found.server.name,
        php=found.php,
        state=found.state.value,
        release=found.release.version if found.release else None,
        wanted_release=found.wanted_release.version if found.wanted_release else None,
        message=found.message,
        checked_at=found.checked_at,
        installed_at=found.installed_at,
    )

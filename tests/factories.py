"""Rows of a registry for tests, with sensible defaults; each call commits.

They need the `registry` fixture. What an object needs beneath it is made as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import func, select

from siappakai.domain.states import RunState, ServerState, SiteState
from siappakai.models import (
    District,
    Regency,
    Release,
    Role,
    Run,
    Server,
    Site,
    Target,
    User,
    Village,
    db,
)
from siappakai.models.transactions import transaction
from siappakai.services import accounts, runs, sites

BY = "pengujian"
PASSWORD = "kata sandi yang cukup panjang 7"
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def _count(model: type[Any]) -> int:
    return db.session.scalar(select(func.count()).select_from(model)) or 0


def _add(row: Any) -> Any:
    with transaction() as session:
        session.add(row)
        # Its defaults are there at once, also where rows are made in one transaction.
        session.flush()
    return row


def make_regency(code: str = "5102", name: str = "Tabanan", **fields: Any) -> Regency:
    """The regency of this registry; the one that is there, when it has one."""
    present = db.session.scalar(select(Regency))
    fields = {"province_code": code[:2], "province_name": "Bali", **fields}
    return present or _add(Regency(code=code, name=name, **fields))


def make_district(code: str = "510201", name: str = "Selemadeg") -> District:
    present = db.session.get(District, code)
    return present or _add(District(code=code, name=name, regency_code=make_regency().code))


def make_village(code: str = "", name: str = "", *, district: District | None = None) -> Village:
    number = _count(Village) + 1
    district = district or make_district(code[:6] or "510201")
    code = code or f"{district.code}{2000 + number}"
    return _add(Village(code=code, name=name or f"Desa {number}", district=district))


def make_server(name: str = "", **fields: Any) -> Server:
    """A server that is ready. Its address is of a documentation network."""
    number = _count(Server) + 1
    fields = {
        "address": f"192.0.2.{number}",
        "user": "siappakai",
        "host_key": "ssh-ed25519 AAAA",
        "state": ServerState.READY,
        **fields,
    }
    return _add(Server(name=name or f"server{number}", **fields))


def make_release(version: str = "v2410.0.0", **fields: Any) -> Release:
    """A release of OpenSID that was seen working on PHP 8.2; the one there, when it is."""
    wanted = select(Release).where(Release.app == "opensid", Release.version == version)
    fields = {
        "app": "opensid",
        "commit": COMMIT,
        "source": "https://example.org/opensid.git",
        "schema_version": f"20{version[1:5]}0101",
        "php_versions": ["8.2"],
        **fields,
    }
    return db.session.scalar(wanted) or _add(Release(version=version, **fields))


def make_site(
    village: Village | None = None,
    server: Server | None = None,
    *,
    release: Release | None = None,
    domain: str = "",
    **fields: Any,
) -> Site:
    """A site, secrets and all. Active at its `release` when one is given, else planned."""
    village = village or make_village()
    server = server or db.session.scalar(select(Server)) or make_server()
    domain = domain or f"desa{village.code}.example.id"
    fields = {"state": SiteState.ACTIVE, "release_id": release.id, **fields} if release else fields
    with transaction():
        site = sites.plan_site(
            village=village, server=server, domain=domain, release=release, by=BY
        )
        for name, value in fields.items():
            setattr(site, name, value)
    return site


def make_user(username: str = "", role: Role = Role.ADMIN, password: str = PASSWORD) -> User:
    username = username or f"{role.value}{_count(User) + 1}"
    return accounts.create_user(username=username, role=role, password=password, by=BY)[0]


def make_run(
    play: str = "install",
    targets: Sequence[Site | Server] = (),
    *,
    state: RunState = RunState.QUEUED,
    **fields: Any,
) -> Run:
    """A run and its targets, all in `state`, as the run engine would have written them.

    The queue is not told of it.
    """
    targets = targets or [make_site()]
    rows = [_target(owner, state) for owner in targets]
    if play == "install" and "options" not in fields:
        fields["options"] = {"release_id": _release_for(targets[0])}
    given = {"requested_by": BY, "server_id": rows[0].server_id, "targets": rows, **fields}
    run = _add(Run(play=play, state=state, **given))
    with transaction():
        runs.follow(run.targets)
    return run


def _release_for(site: Site | Server) -> int:
    """The release an install of a site would be asked for."""
    wanted = site.wanted_release_id if isinstance(site, Site) else None
    return wanted or make_release().id


def _target(owner: Site | Server, state: RunState) -> Target:
    if isinstance(owner, Server):
        host, label = f"server-{owner.id}", owner.name
        return Target(server_id=owner.id, host=host, label=label, state=state)
    return Target(
        server_id=owner.server_id,
        site_id=owner.id,
        host=f"{owner.app}-{owner.village.code}",
        label=f"{owner.village.name} · {owner.domain}",
        state=state,
    )

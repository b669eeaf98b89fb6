"""The gabungan as people ask for it: made, merged into, proven, left."""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from typing import Final

import yaml
from sqlalchemy import func, select
from sqlalchemy.orm import joinedload

from siappakai.config import share_folder
from siappakai.credentials import load_key_ring, random_password
from siappakai.domain.states import UNBUILT, ServerState
from siappakai.errors import ConflictError, InvalidInputError, NotFoundError, RefusedError
from siappakai.models import Gabungan, Member, Release, Run, Server, Site, Village, db, utc_now
from siappakai.models.app import current_settings
from siappakai.models.transactions import transaction
from siappakai.services import audit, consents, runs, sites, slots
from siappakai.services.servers import layout_of
from siappakai.wording import say

CREATE: Final = "gabungan"
MERGE: Final = "merge"
VERIFY: Final = "verify"
WITHDRAW: Final = "withdraw"
NARROW: Final = "narrow"
ON_SERVER: Final = frozenset({CREATE, VERIFY, WITHDRAW, NARROW})
_PASSWORD_LENGTH: Final = 40


def find_gabungan() -> Gabungan | None:
    """Return the regency's gabungan, if it has one."""
    return db.session.scalar(select(Gabungan).limit(1))


def is_at_work(gabungan: Gabungan) -> bool:
    """Tell whether villages may be merged: it is whole, and not paused."""
    return gabungan.made_at is not None and not gabungan.is_paused


def get_gabungan() -> Gabungan:
    """Return the regency's gabungan; raises NotFoundError."""
    found = find_gabungan()
    if found is None:
        raise NotFoundError(
            say("Gabungan belum ada."), say("Buat dahulu: siappakai gabungan init.")
        )
    return found


def request_create(
    *,
    server: Server,
    release: Release,
    changes: Sequence[str],
    all_as: str | None,
    document: str,
    by: str,
) -> Run:
    """Ask for the gabungan to be made on a server; what all villages share is decided with it.

    Asked again it is finished where it was left. Raises ConflictError when it is on another
    server or of another release, RefusedError for one that is not ready, and the errors of
    consents.decide.
    """
    with transaction() as session:
        if server.state is not ServerState.READY:
            raise RefusedError(
                say("Server %(server)s belum siap.", server=server.name),
                say("Siapkan server itu dahulu."),
            )
        _refuse_unmapped(release)
        found = find_gabungan()
        if found is None:
            found = _new(server, release)
            session.add(found)
            consents.decide(village=None, changes=changes, all_as=all_as, document=document, by=by)
        elif (found.server_id, found.release_id) != (server.id, release.id):
            raise ConflictError(
                say("Gabungan sudah ada di server %(server)s.", server=found.server.name),
                say("Satu panel melayani satu gabungan."),
            )
        audit.record("gabungan.init", server.name, by=by, detail={"release": release.version})
        return runs.create_server_run(CREATE, server, by=by)


def mapped_version() -> str:
    """Return the release of which it is known what every column refers to."""
    map_ = yaml.safe_load((share_folder("playbooks") / "references.yml").read_text())
    return str(map_["release"])


def _refuse_unmapped(release: Release) -> None:
    """Refuse a release of which nobody has said what its columns refer to."""
    if release.version != mapped_version():
        raise RefusedError(
            say("Gabungan belum mengenal rilis %(version)s.", version=release.version),
            say("Buat gabungan dengan rilis %(version)s.", version=mapped_version()),
        )


def _new(server: Server, release: Release) -> Gabungan:
    ring = load_key_ring(current_settings().credentials_file)
    schema = f"{layout_of(server).prefix}_gabungan"
    users = {f"{schema}_{kind}": random_password(_PASSWORD_LENGTH) for kind in ("r", "w")}
    return Gabungan(
        server_id=server.id,
        release_id=release.id,
        schema=schema,
        key_sealed=ring.seal(secrets.token_hex(32)),
        passwords_sealed=ring.seal(json.dumps(users)),
    )


def user_passwords(*, by: str) -> dict[str, str]:
    """Return the passwords of the gabungan's users by name; audited."""
    with transaction():
        gabungan = get_gabungan()
        audit.record("gabungan.reveal", gabungan.schema, by=by)
        ring = load_key_ring(current_settings().credentials_file)
        found: dict[str, str] = json.loads(ring.unseal(gabungan.passwords_sealed))
        return found


def merge_site_ids() -> list[int]:
    """Return the sites that can be merged: OpenSID on the gabungan's own server.

    Villages that were taken out are not among them until they decide anew what they share.
    """
    gabungan = get_gabungan()
    query = select(Site).where(Site.server_id == gabungan.server_id, Site.app == "opensid")
    built = query.where(Site.state.not_in(UNBUILT), sites.is_real())
    found = db.session.scalars(built.order_by(Site.id))
    return [site.id for site in found if not has_left(find_member(site.village))]


def request_merge(
    *, site_ids: Sequence[int], whole: bool, by: str, retry_of: int | None = None
) -> Run:
    """Ask for villages to be merged, those that changed unless `whole`.

    Each gets its place in the gabungan. Raises RefusedError while merging is paused, for villages
    on another server, and without consent; InvalidInputError for none.
    """
    with transaction() as session:
        gabungan = get_gabungan()
        if not is_at_work(gabungan):
            raise RefusedError(
                say("Gabungan sedang dijeda atau belum selesai dibuat."),
                say("Lihat: siappakai gabungan status."),
            )
        query = select(Site).where(Site.id.in_(site_ids), Site.state.not_in(UNBUILT))
        sites = list(session.scalars(query.order_by(Site.id)))
        if not sites:
            raise InvalidInputError(
                say("Tidak ada situs terpasang untuk digabungkan."),
                say("Pilih paling sedikit satu."),
            )
        for site in sites:
            _admit(gabungan, site)
        options = {"whole": whole, "day": utc_now().date().isoformat()}
        return runs.create_site_run(MERGE, sites, by=by, options=options, retry_of=retry_of)


def _admit(gabungan: Gabungan, site: Site) -> None:
    if site.server_id != gabungan.server_id or site.app != "opensid":
        raise RefusedError(
            say("%(name)s tidak berada di server gabungan.", name=site.village.name),
            say("Hanya OpenSID di server gabungan yang dapat digabungkan sekarang."),
        )
    if site.village.copy_of:
        raise RefusedError(
            say("%(name)s adalah salinan latihan.", name=site.village.name),
            say("Salinan latihan tidak pernah digabungkan; pilih desa yang sebenarnya."),
        )
    consents.of_village(site.village)
    member = find_member(site.village)
    refuse_left(member, site.village)
    if member is None:
        session = db.session()
        greatest = session.scalar(select(func.max(Member.id))) or 0
        slot = slots.take(gabungan, 1)
        session.add(Member(id=greatest + 1, village_id=site.village_id, slot=slot))
        session.flush()


def has_left(member: Member | None) -> bool:
    """Tell whether a village was asked to leave and has decided nothing of its own since."""
    if member is None or member.withdrawn_at is None:
        return False
    return not consents.has_decided_since(member.village_id, member.withdrawn_at)


def refuse_left(member: Member | None, village: Village) -> None:
    """Raise RefusedError for a village that has left and has not come back."""
    if has_left(member):
        raise RefusedError(
            say("%(name)s sudah dikeluarkan dari gabungan.", name=village.name),
            say("Catat dahulu persetujuannya yang baru: siappakai gabungan consent."),
        )


def find_member(village: Village) -> Member | None:
    """Return a village's place, if it has one."""
    return db.session.scalar(select(Member).where(Member.village_id == village.id))


def list_members() -> Sequence[Member]:
    """Return the villages of the gabungan in the order they came."""
    query = select(Member).options(joinedload(Member.village)).order_by(Member.id)
    return db.session.scalars(query).all()


def pause(*, is_paused: bool, by: str) -> Gabungan:
    """Stop merging, or go on."""
    with transaction():
        gabungan = get_gabungan()
        gabungan.is_paused = is_paused
        audit.record("gabungan.pause" if is_paused else "gabungan.resume", gabungan.schema, by=by)
        return gabungan


def request_verify(*, by: str) -> Run:
    """Ask for the gabungan to be compared with what was merged."""
    return runs.create_server_run(VERIFY, get_gabungan().server, by=by)

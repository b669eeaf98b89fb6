"""The recovery kit of this panel: made, confirmed by a person, outdated once it says too little."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from siappakai import __version__
from siappakai.credentials import read_keys, seal_text
from siappakai.domain.recovery_kit import Kit, KitStore, document, plain_number
from siappakai.errors import InvalidInputError, RefusedError
from siappakai.gateways.registry_copy import kind_of
from siappakai.models import Setting, db, utc_now
from siappakai.models.app import current_settings
from siappakai.models.transactions import transaction
from siappakai.services import audit, keys, own_certificate, places, settings, stores
from siappakai.wording import say

_CONFIRMED: Final = "recovery_kit"


class KitState(StrEnum):
    """Whether a person has a kit that brings this panel back as it is now."""

    IMPOSSIBLE = "impossible"
    UNCONFIRMED = "unconfirmed"
    OUTDATED = "outdated"
    CONFIRMED = "confirmed"


@dataclass(frozen=True, slots=True)
class KitStanding:
    """How it stands with the kit, and when and by whom one was last confirmed."""

    state: KitState
    confirmed_at: datetime | None
    confirmed_by: str

    @property
    def is_well(self) -> bool:
        return self.state is KitState.CONFIRMED


@dataclass(frozen=True, slots=True)
class KitFile:
    """A kit as a file to be kept; what is secret in it is sealed."""

    name: str
    text: str


def standing() -> KitStanding:
    """Return how it stands with the kit; raises SiapPakaiError when the key ring is not there."""
    stored = db.session.get(Setting, _CONFIRMED)
    told = dict(stored.value) if stored is not None else {}
    at = datetime.fromisoformat(told["at"]) if told else None
    return KitStanding(_state(told.get("digest", "")), at, str(told.get("by", "")))


def make(*, by: str) -> KitFile:
    """Return a kit of what there is now; raises RefusedError without recovery key or store."""
    kit, chosen = _contents(), current_settings()
    regency = places.find_regency()
    place = f"{regency.name}, {own_certificate.name()}" if regency else own_certificate.name()
    now = utc_now()
    text = document(
        kit,
        seal_text(kit.told(), kit.recipient),
        place=place,
        made_at=now,
        program=__version__,
        kind=kind_of(chosen.registry_url),
    )
    with transaction():
        audit.record("kit.make", kit.recipient, by=by)
    return KitFile(f"kit-pemulihan-{now:%Y%m%d-%H%M}.txt", text)


def confirm(number: str, *, by: str) -> KitStanding:
    """Note that a person keeps the kit of that number, the newest there can be.

    Raises InvalidInputError (field `number`) for any other, RefusedError as `make` does.
    """
    kit = _contents()
    if not hmac.compare_digest(plain_number(number), plain_number(kit.number)):
        raise InvalidInputError(
            say("Nomor itu bukan milik kit dengan isi yang sekarang."),
            say(
                "Periksa nomornya; bila kitnya lebih lama dari perubahan terakhir, buat yang baru."
            ),
            field="number",
        )
    with transaction() as session:
        value = {"digest": kit.digest, "at": utc_now().isoformat(), "by": by}
        session.merge(Setting(key=_CONFIRMED, value=value, updated_by=by))
        audit.record("kit.confirm", kit.recipient, by=by)
    return standing()


def _state(confirmed: str) -> KitState:
    if not settings.get(settings.RECOVERY_RECIPIENT) or not stores.list_stores():
        return KitState.IMPOSSIBLE
    if not confirmed:
        return KitState.UNCONFIRMED
    is_same = hmac.compare_digest(confirmed, _contents().digest)
    return KitState.CONFIRMED if is_same else KitState.OUTDATED


def _contents() -> Kit:
    recipient, known = settings.get(settings.RECOVERY_RECIPIENT), stores.list_stores()
    if not recipient or not known:
        raise RefusedError(
            say("Kit pemulihan belum dapat dibuat: kunci pemulihan atau penyimpanan belum ada."),
            say("Buat kunci (siappakai backup make-key), lalu tambahkan penyimpanan."),
        )
    ring = read_keys(current_settings().credentials_file)
    return Kit(
        key_ring=tuple(key.decode() for key in ring),
        recipient=recipient,
        ssh_private=keys.private_key_text(),
        stores=tuple(
            KitStore(one.name, one.kind, dict(one.place), stores.secret_of(one)) for one in known
        ),
    )

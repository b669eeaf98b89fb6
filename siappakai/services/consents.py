"""What villages share: each decision a version of its own, resting on a document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import func, select

from siappakai.domain.consent import read_shares
from siappakai.errors import InvalidInputError, RefusedError
from siappakai.models import Consent, Village, db
from siappakai.models.transactions import transaction
from siappakai.services import audit
from siappakai.wording import say


def decide(
    *,
    village: Village | None,
    changes: Sequence[str],
    all_as: str | None = None,
    document: str,
    by: str,
) -> Consent:
    """Write down what a village shares, or what those do that decided nothing themselves.

    `changes` are `group=share`; groups not named stay as they were. Raises InvalidInputError for
    an unclear decision or a missing document.
    """
    if not document.strip():
        raise InvalidInputError(
            say("Nomor dokumen persetujuan belum diisi."),
            say("Sebutkan nomor surat atau perjanjian yang mendasarinya."),
            field="document",
        )
    with transaction() as session:
        before = _newest(village) or _newest(None)
        shares = read_shares(changes, otherwise=before.shares if before else None, all_as=all_as)
        consent = Consent(
            village_id=village.id if village else None,
            shares=shares,
            document=document.strip(),
            given_by=by,
        )
        session.add(consent)
        session.flush()
        subject = village.code if village else "all"
        detail = {"version": consent.id, "document": consent.document, "shares": shares}
        audit.record("consent.decide", subject, by=by, detail=detail)
        return consent


def newest() -> dict[int | None, Consent]:
    """Return the newest decision of each village, and under None that for all others."""
    last = select(func.max(Consent.id)).group_by(Consent.village_id)
    found = db.session.scalars(select(Consent).where(Consent.id.in_(last)))
    return {one.village_id: one for one in found}


def of_village(village: Village, known: Mapping[int | None, Consent] | None = None) -> Consent:
    """Return what counts for a village; raises RefusedError when nothing was decided.

    `known` is what `newest` returned, for whoever asks for many.
    """
    if known is None:
        consent = _newest(village) or _newest(None)
    else:
        consent = known.get(village.id) or known.get(None)
    if consent is None:
        raise RefusedError(
            say("Belum ada persetujuan data untuk %(name)s.", name=village.name),
            say("Putuskan dahulu: siappakai gabungan consent."),
        )
    return consent


def has_decided_since(village_id: int, moment: datetime) -> bool:
    """Tell whether a village has decided for itself what it shares after a moment."""
    query = select(Consent.id).where(Consent.village_id == village_id, Consent.given_at > moment)
    return db.session.scalar(query.limit(1)) is not None


def _newest(village: Village | None) -> Consent | None:
    owner = Consent.village_id == village.id if village else Consent.village_id.is_(None)
    return db.session.scalar(select(Consent).where(owner).order_by(Consent.id.desc()).limit(1))

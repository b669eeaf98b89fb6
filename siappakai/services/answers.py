"""Requests that are sent twice and done once: answers kept for an `Idempotency-Key`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError

from siappakai.errors import ConflictError
from siappakai.models import KeptAnswer, db, utc_now
from siappakai.models.transactions import transaction
from siappakai.wording import say

# As long as a caller may try again; after that the same key is a new request.
KEPT_FOR: Final = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a caller is told; `is_repeated` when it was told before and nothing was done now."""

    status: int
    body: dict[str, Any]
    is_repeated: bool = False


def once(token_id: int, key: str, request_hash: str, deed: Callable[[], Answer]) -> Answer:
    """Do `deed` and keep its answer, in one transaction; a second time only give it back.

    A deed that fails leaves nothing, so that it can be tried again. Raises ConflictError when
    the key was used for another request, or its request is being worked on just now.
    """
    try:
        with transaction() as session:
            session.execute(delete(KeptAnswer).where(KeptAnswer.created_at < utc_now() - KEPT_FOR))
            kept = _find(token_id, key)
            if kept is not None:
                return _again(kept, request_hash)
            answer = deed()
            session.add(
                KeptAnswer(
                    token_id=token_id,
                    key=key,
                    request_hash=request_hash,
                    status=answer.status,
                    body=answer.body,
                )
            )
            return answer
    except IntegrityError as error:
        if _find(token_id, key) is None:
            raise
        raise ConflictError(
            say("Permintaan dengan Idempotency-Key ini sedang dikerjakan."),
            say("Tunggu sebentar, lalu kirim lagi."),
        ) from error


def _find(token_id: int, key: str) -> KeptAnswer | None:
    query = select(KeptAnswer).where(KeptAnswer.token_id == token_id, KeptAnswer.key == key)
    return db.session.scalar(query)


def _again(kept: KeptAnswer, request_hash: str) -> Answer:
    if kept.request_hash != request_hash:
        raise ConflictError(
            say("Idempotency-Key ini sudah dipakai untuk permintaan lain."),
            say("Pakai kunci baru untuk setiap permintaan baru."),
        )
    return Answer(kept.status, kept.body, is_repeated=True)

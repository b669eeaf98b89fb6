"""Which backups of a village stay and which may go: grandfather, father, son. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from siappakai.errors import InvalidInputError
from siappakai.wording import say

MOST: Final = 1000


class Reason(StrEnum):
    """Why a backup stays, or why it may go."""

    NEWEST = "newest"
    HELD = "held"
    LAST_PROVEN = "last_proven"
    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"
    YEARLY = "yearly"
    ONLY_ONE = "only_one"
    EXPIRED = "expired"
    DAMAGED = "damaged"

    @property
    def may_go(self) -> bool:
        return self in {Reason.EXPIRED, Reason.DAMAGED}


@dataclass(frozen=True, slots=True)
class Policy:
    """For how many days, weeks, months and years that have a backup one of each is kept."""

    daily: int
    weekly: int
    monthly: int
    yearly: int

    def checked(self) -> Policy:
        """Return it; raises InvalidInputError naming the field."""
        for field in ("daily", "weekly", "monthly", "yearly"):
            if not 0 <= getattr(self, field) <= MOST:
                raise InvalidInputError(
                    say("Nilai untuk %(field)s tidak sah.", field=field),
                    say("Isi bilangan bulat dari 0 sampai %(most)s.", most=MOST),
                    field=field,
                )
        return self


@dataclass(frozen=True, slots=True)
class Kept:
    """A backup as the rules see it; `taken_at` on the regency's clocks.

    `is_proven`: it was restored and counted. `is_damaged`: that failed.
    """

    id: int
    taken_at: datetime
    is_proven: bool = False
    is_held: bool = False
    is_damaged: bool = False


Period = Callable[[datetime], object]
_RULES: Final[tuple[tuple[Reason, Period], ...]] = (
    (Reason.DAILY, lambda at: at.date()),
    (Reason.WEEKLY, lambda at: at.isocalendar()[:2]),
    (Reason.MONTHLY, lambda at: (at.year, at.month)),
    (Reason.YEARLY, lambda at: at.year),
)


def judge(backups: Iterable[Kept], policy: Policy) -> dict[int, Reason]:
    """Return why each backup of one village stays, or that it may go, by its id.

    Of a day, week, month or year a proven one is preferred, then the newest. What never goes:
    the newest, what is held, the last proven one, and, while none is proven, all that is sound.
    """
    newest_first = sorted(backups, key=lambda one: (one.taken_at, one.id), reverse=True)
    sound = [one for one in newest_first if not one.is_damaged]
    reasons = {one.id: Reason.EXPIRED for one in sound}
    for reason, period in reversed(_RULES):
        chosen = _one_each(sound, period, getattr(policy, reason.value))
        reasons |= dict.fromkeys(chosen, reason)
    proven = [one for one in sound if one.is_proven]
    if not proven:
        reasons |= {one.id: Reason.ONLY_ONE for one in sound if reasons[one.id].may_go}
    reasons |= {one.id: _of_damaged(one, proven) for one in newest_first if one.is_damaged}
    reasons |= {one.id: Reason.LAST_PROVEN for one in proven[:1]}
    reasons |= {one.id: Reason.NEWEST for one in sound[:1]}
    return reasons | {one.id: Reason.HELD for one in newest_first if one.is_held}


def _of_damaged(one: Kept, proven: list[Kept]) -> Reason:
    """Keep what is damaged while there is nothing better: parts of it may still be read."""
    is_outlived = any(other.taken_at > one.taken_at for other in proven)
    return Reason.DAMAGED if is_outlived else Reason.ONLY_ONE


def _one_each(newest_first: list[Kept], period: Period, count: int) -> list[int]:
    """Return the best backup of each of the last `count` periods that have one."""
    best: dict[object, Kept] = {}
    for one in newest_first:
        key = period(one.taken_at)
        if key not in best or (one.is_proven and not best[key].is_proven):
            best[key] = one
    return [one.id for one in list(best.values())[:count]]

"""Long lists, a page at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, TypeVarTuple

from sqlalchemy import Row, Select, func, select

from siappakai.models import db

MAX_PER_PAGE = 500

T = TypeVar("T")
Columns = TypeVarTuple("Columns")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page of a list. `page` counts from 1; `total` counts the items of all pages."""

    items: list[T]
    total: int
    page: int
    per_page: int

    @property
    def pages(self) -> int:
        return max(1, -(-self.total // self.per_page))

    @property
    def has_next(self) -> bool:
        return self.page < self.pages

    @property
    def has_previous(self) -> bool:
        return self.page > 1


def paginate(
    query: Select[*Columns],
    item: Callable[[Row[*Columns]], T],
    *,
    page: int,
    per_page: int,
    counted: Select[Any] | None = None,
) -> Page[T]:
    """Return one page of `query`, each row made into an item.

    `counted` has as many rows as `query` and is cheaper to count. A page beyond the last one
    becomes the last one, so that a list that shrank meanwhile still shows something.
    """
    per_page = _allowed(per_page)
    whole = (query if counted is None else counted).order_by(None).subquery()
    total = db.session.scalar(select(func.count()).select_from(whole)) or 0
    page = min(max(page, 1), max(1, -(-total // per_page)))
    rows = db.session.execute(query.limit(per_page).offset((page - 1) * per_page))
    return Page([item(row) for row in rows], total, page, per_page)


def paginate_found(
    query: Select[*Columns], item: Callable[[Row[*Columns]], T], *, page: int, per_page: int
) -> Page[T]:
    """Return what `paginate` does, for a query that reads every row to find its own.

    It counts them on the way instead of reading all a second time.
    """
    per_page, page = _allowed(per_page), max(page, 1)
    counted = query.add_columns(func.count().over())
    rows = db.session.execute(counted.limit(per_page).offset((page - 1) * per_page)).all()
    if not rows:
        return paginate(query, item, page=page, per_page=per_page)
    return Page([item(row) for row in rows], rows[0][-1], page, per_page)


def page_of(items: Sequence[T], *, page: int, per_page: int) -> Page[T]:
    """Return one page of what is at hand already; beyond the last one it is the last one."""
    per_page = _allowed(per_page)
    page = min(max(page, 1), max(1, -(-len(items) // per_page)))
    start = (page - 1) * per_page
    return Page(list(items[start : start + per_page]), len(items), page, per_page)


def _allowed(per_page: int) -> int:
    return min(max(per_page, 1), MAX_PER_PAGE)

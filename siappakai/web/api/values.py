"""What the records of the API are made of: ids, texts, pages."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Annotated, Final, Generic, Self, TypeVar

from pydantic import BaseModel, BeforeValidator, Field

from siappakai.services.paging import MAX_PER_PAGE, Page
from siappakai.web.api.operations import Query

_LARGEST: Final = 2**31 - 1
_MOST_PAGES: Final = 1_000_000

T = TypeVar("T")
R = TypeVar("R")

_PART: Final = r"(0[1-9]|[1-9][0-9])"
_VILLAGE_CODE: Final = (
    rf"^(1[1-9]|[2-9][0-9])\.?{_PART}\.?{_PART}\.?[123]([1-9][0-9]{{2}}|0[1-9][0-9]|00[1-9])$"
)


def _whole(value: object) -> object:
    # In JSON Schema 3.0 is an integer as well.
    return int(value) if isinstance(value, float) and value.is_integer() else value


# As far as the registry's numbers go on every database.
Number = Annotated[int, Field(ge=0, le=_LARGEST), BeforeValidator(_whole)]
# As domain.codes has them; said here as well, so that callers know it from the document.
VillageCode = Annotated[
    str,
    Field(pattern=_VILLAGE_CODE, description="kode desa, dotted or ten plain digits"),
]
# No control characters: PostgreSQL stores no NUL, and no name has the others.
Text = Annotated[str, Field(max_length=100, pattern=r"^[^\x00-\x1f\x7f]*$")]
Domain = Annotated[str, Field(max_length=120, pattern=r"^[A-Za-z0-9.-]*$")]
Version = Annotated[str, Field(max_length=20, pattern=r"^[A-Za-z0-9.-]*$")]


class Paged(Query):
    """Which part of a list; a page beyond the last one is answered with the last one."""

    page: Annotated[int, Field(ge=1, le=_MOST_PAGES)] = 1
    per_page: Annotated[int, Field(ge=1, le=MAX_PER_PAGE)] = 100


class Listed(BaseModel, Generic[T]):
    """One page of a list. `page` counts from 1, `total` counts the items of all pages."""

    items: list[T]
    total: int
    page: int
    pages: int

    @classmethod
    def of(cls, page: Page[R], record: Callable[[R], T]) -> Self:
        """Return a page of the registry as the API tells it."""
        items = [record(item) for item in page.items]
        return cls(items=items, total=page.total, page=page.page, pages=page.pages)

    @classmethod
    def whole(cls, items: Iterable[T]) -> Self:
        """Return a list that has one page."""
        everything = list(items)
        return cls(items=everything, total=len(everything), page=1, pages=1)

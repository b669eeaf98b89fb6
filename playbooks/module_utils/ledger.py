"""Which places of a gabungan were ever given, and to whom: the registry may be an older one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .manifests import SLOT_SIZE
from .outcome import Refusal
from .references import CONFIG
from .schemas import quoted

if TYPE_CHECKING:
    from .driver import Link

# A village that moved to a larger place keeps the former one for ever.
GIVEN = (
    "CREATE TABLE IF NOT EXISTS {book}.given ("
    " shift BIGINT NOT NULL, slots INT NOT NULL, code VARCHAR(10) NOT NULL,"
    " PRIMARY KEY (shift, code)) ENGINE=InnoDB CHARSET=utf8mb4"
)


def note_place(link: Link, schema: str, code: str, config_id: int, place: tuple[int, int]) -> None:
    """Note that a place (shift, slots) is a village's; in the transaction of `link`.

    Raises Refusal `wrong_slot` when any part of it was given to another village, or when the
    gabungan's own `config` says that the number is another's, or the village has another one.
    """
    shift, slots = place
    book = _book(schema)
    with link.cursor() as cursor:
        cursor.execute(
            f"SELECT code FROM {book}.given WHERE code <> %s AND shift < %s"
            f" AND shift + slots * {SLOT_SIZE} > %s LIMIT 1",
            (code, shift + slots * SLOT_SIZE, shift),
        )
        others = [str(row[0]) for row in cursor.fetchall()]
        cursor.execute(
            f"SELECT id, COALESCE(kode_desa, '') FROM {quoted(schema)}.{CONFIG}"
            " WHERE id = %s OR kode_desa = %s",
            (config_id, code),
        )
        named = {(int(one), str(name)) for one, name in cursor.fetchall()}
        # The first place is kept under no name until its village comes, and after it has left.
        if others or named - {(config_id, code), (config_id, "")}:
            raise wrong_place(link, schema, code, config_id)
        cursor.execute(
            f"INSERT IGNORE INTO {book}.given (shift, slots, code) VALUES (%s, %s, %s)",
            (shift, slots, code),
        )


def wrong_place(link: Link, schema: str, code: str, config_id: int) -> Refusal:
    """Return the refusal of a place; it tells the village's own, if any, and what is free."""
    return Refusal(
        "wrong_slot",
        f"Place {config_id} of the gabungan is not that of village {code}: the registry is older"
        " than the gabungan. Nothing was changed. The registry takes over what the gabungan says;"
        " merge the village again.",
        config_id=config_id,
        village=code,
        place=_place_of(link, schema, code),
        free=_free(link, schema),
    )


def _place_of(link: Link, schema: str, code: str) -> dict[str, int] | None:
    with link.cursor() as cursor:
        cursor.execute(
            f"SELECT config_id, shift, slots FROM {_book(schema)}.slots WHERE code = %s", (code,)
        )
        row: tuple[Any, ...] | None = cursor.fetchone()
    if row is None:
        return None
    return {"config_id": int(row[0]), "slot": int(row[1]) // SLOT_SIZE, "slots": int(row[2])}


def _free(link: Link, schema: str) -> dict[str, int]:
    """Return the first number and the first slot that nobody has had, with nobody's after them."""
    with link.cursor() as cursor:
        cursor.execute(
            "SELECT GREATEST("
            f"(SELECT COALESCE(MAX(config_id), 0) FROM {_book(schema)}.slots),"
            f" (SELECT COALESCE(MAX(id), 0) FROM {quoted(schema)}.{CONFIG})),"
            f" (SELECT COALESCE(MAX(shift DIV {SLOT_SIZE} + slots), 0)"
            f" FROM {_book(schema)}.given)"
        )
        number, slot = cursor.fetchone() or (0, 0)
    return {"config_id": int(number) + 1, "slot": int(slot)}


def _book(schema: str) -> str:
    return quoted(f"{schema}_buku")

"""Ids that stand inside JSON and links: found, and moved to another village's numbers."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import partial
from typing import Any

# From the table an id is of and the id to what shall stand in its place.
Move = Callable[[str, int], int]

_NUMBER = re.compile(r"[1-9][0-9]{0,9}")
_LINK = re.compile(
    r"(?P<what>artikel/|kategori/|data-suplemen/|data-kelompok/|data-lembaga/|statistik/50)"
    r"(?P<id>[1-9][0-9]{0,9})(?![0-9])"
)
_LINKED = {
    "artikel/": "artikel",
    "kategori/": "kategori",
    "data-suplemen/": "suplemen",
    "data-kelompok/": "kelompok",
    "data-lembaga/": "kelompok",
    "statistik/50": "program",
}
_FORM = re.compile(r"id_pend(?:uduk)?(?:_.+)?|id_pengikut(?:_.+)?|nik")
_SETTINGS = {
    "dashboard_program_bantuan": "program",
    "anjungan_slide": "gambar_gallery",
    "tampilan_anjungan_slider": "gambar_gallery",
    "anjungan_artikel": "kategori",
}
_PEOPLE, _REQUIREMENT = "tweb_penduduk", "ref_syarat_surat"


def moved(shape: str, value: str, move: Move, name: str = "") -> str:
    """Return a value with every id in it moved; `name` is the key of a setting.

    What is not of the shape stays as it is: it held no id that the application would find.
    """
    if shape == "link":
        return _LINK.sub(partial(_moved_link, move), value)
    if shape == "setting":
        return _moved_setting(value, move, name)
    try:
        told = json.loads(value)
    except ValueError:
        return value
    after = _SHAPES[shape](told, move)
    # Unchanged, it keeps its very spelling.
    return value if after == told else json.dumps(after, separators=(",", ":"))


def ids_in(shape: str, value: str, name: str = "") -> list[tuple[str, int]]:
    """Return the ids a value holds, each with the table it is of."""
    found: list[tuple[str, int]] = []

    def note(table: str, one: int) -> int:
        found.append((table, one))
        return one

    moved(shape, value, note, name)
    return found


def _moved_link(move: Move, match: re.Match[str]) -> str:
    return f"{match['what']}{move(_LINKED[match['what']], int(match['id']))}"


def _moved_setting(value: str, move: Move, name: str) -> str:
    table = _SETTINGS.get(name)
    if table is None:
        return value
    if name == "anjungan_artikel":
        return moved("categories", value, move)
    return str(_id(table, value, move))


def _id(table: str, value: Any, move: Move) -> Any:
    """Return an id moved, in the type it had; anything else as it is."""
    if isinstance(value, bool) or not _NUMBER.fullmatch(str(value)):
        return value
    after = move(table, int(value))
    return after if isinstance(value, int) else str(after)


def _list(table: str, told: Any, move: Move) -> Any:
    return [_id(table, one, move) for one in told] if isinstance(told, list) else told


def _requirements(told: Any, move: Move) -> Any:
    if not isinstance(told, dict):
        return told
    return {_id(_REQUIREMENT, key, move): _id("dokumen", one, move) for key, one in told.items()}


def _person(told: Any, move: Move) -> Any:
    if not isinstance(told, dict) or "id_pend" not in told:
        return told
    return {**told, "id_pend": _id(_PEOPLE, told["id_pend"], move)}


def _form(told: Any, move: Move) -> Any:
    if not isinstance(told, dict):
        return told
    return {_form_key(key, move): _form_value(key, one, move) for key, one in told.items()}


def _form_key(key: str, move: Move) -> str:
    """Move the id in the name of a remark about a person."""
    remark = re.fullmatch(r"ket_([1-9][0-9]{0,9})", key)
    return f"ket_{move(_PEOPLE, int(remark[1]))}" if remark else key


def _form_value(key: str, value: Any, move: Move) -> Any:
    if key == "id_surat":
        return _id("tweb_surat_format", value, move)
    if _FORM.fullmatch(key) is None:
        return value
    return _list(_PEOPLE, value, move) if isinstance(value, list) else _id(_PEOPLE, value, move)


_SHAPES: dict[str, Callable[[Any, Move], Any]] = {
    "list": partial(_list, _REQUIREMENT),
    "categories": partial(_list, "kategori"),
    "requirements": _requirements,
    "form": _form,
    "person": _person,
}

"""The English catalogue is whole, and compiled as it stands."""

import io
from functools import cache
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.mofile import read_mo
from babel.messages.pofile import read_po
from flask import Flask

from siappakai.domain.states import RunState, ServerState, SiteState, StepState
from siappakai.web.labels import label_of, play_title
from siappakai.web.languages import CATALOGUES

ROOT = Path(__file__).parents[3]
ENGLISH = CATALOGUES / "en" / "LC_MESSAGES"
KEYWORDS = {"_": None, "say": None, "gettext": None, "lazy_gettext": None, "ngettext": (1, 2)}
HOW = (
    "Run: pybabel extract -F .config/babel.cfg -k _ -k say -k lazy_gettext -o messages.pot . && "
    "pybabel update -N -l en -d siappakai/web/translations -i messages.pot, translate, "
    "pybabel compile -d siappakai/web/translations"
)


def _po() -> Catalog:
    with (ENGLISH / "messages.po").open("rb") as file:
        return read_po(file, locale="en")


@cache
def _used() -> set[str]:
    mapping = io.StringIO((ROOT / ".config" / "babel.cfg").read_text())
    methods, options = parse_mapping_cfg(mapping)
    found: set[str] = set()
    for folder in ("siappakai", "templates/panel"):
        for _, _, message, _, _ in extract_from_dir(
            ROOT / folder,
            [(pattern.removeprefix(f"{folder}/"), method) for pattern, method in methods],
            {key.removeprefix(f"{folder}/"): value for key, value in options.items()},
            KEYWORDS,
        ):
            found.add(message if isinstance(message, str) else message[0])
    return found


def test_every_text_of_the_panel_is_in_english_too():
    catalogue = _po()
    missing = {
        text
        for text in _used()
        if catalogue.get(text) is None or not all(_strings(catalogue.get(text).string))
    }

    assert not missing, HOW


def test_the_catalogue_holds_nothing_the_panel_does_not_say():
    ids = {message.id if isinstance(message.id, str) else message.id[0] for message in _po()}

    assert len(_used()) > 300
    assert ids - {""} <= _used(), HOW


def test_the_compiled_catalogue_is_the_written_one():
    with (ENGLISH / "messages.mo").open("rb") as file:
        compiled = read_mo(file)

    assert _words(_po()) == _words(compiled), HOW


def test_placeholders_are_the_same_in_both_languages():
    catalogue = _po()

    assert [error for message in catalogue for error in message.check(catalogue)] == []


def test_every_state_has_its_own_words(panel: Flask):
    with panel.test_request_context():
        for kind in (RunState, StepState, ServerState, SiteState):
            assert all(str(label_of(state).text) for state in kind)
        assert str(label_of(RunState.FAILED).text) != str(label_of(ServerState.FAILED).text)
        assert play_title("install") == "Pasang situs desa"
        assert play_title("unknown") == "unknown"


def _words(catalogue: Catalog) -> list[list[list[str]]]:
    # Plural forms are lists in the one and tuples in the other.
    return sorted([_strings(one.id), _strings(one.string)] for one in catalogue if one.id)


def _strings(text: object) -> list[str]:
    return list(text) if isinstance(text, (list, tuple)) else [str(text)]

"""Names of places and the words for them."""

import pytest
from hypothesis import given, reject
from hypothesis import strategies as st

from siappakai.domain.places import (
    NAME_LENGTH,
    check_name,
    check_word,
    readable_name,
    same_name,
)
from siappakai.errors import InvalidInputError

# Most of these pass; text of all characters there are seldom does.
NAMES = st.text(
    st.one_of(st.characters(categories=("L", "N", "P")), st.sampled_from(" \t\u00a0{%#")),
    min_size=1,
    max_size=NAME_LENGTH + 10,
)


@given(NAMES)
def test_a_name_that_passes_is_short_tidy_and_stays(text: str) -> None:
    try:
        name = check_name(text, field="nama_desa")
    except InvalidInputError:
        reject()
    assert 1 <= len(name) <= NAME_LENGTH
    assert name == " ".join(name.split())
    assert check_name(name, field="nama_desa") == name


@pytest.mark.parametrize(
    "text", ["", "   ", "x" * 101, "Ba\x00jera", "Ba\u202ejera", "{{ x }}", "a {% b", "{#c"]
)
def test_bad_names_are_refused(text: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        check_name(text, field="nama_desa")
    assert caught.value.field == "nama_desa"


@pytest.mark.parametrize("text", ["Tj. Haro Sikabu-kabu Pd. Panjang", "Ma'u", "Bajera (Utara)"])
def test_names_of_villages_pass(text: str) -> None:
    assert check_name(f" {text} ", field="nama_desa") == text


@pytest.mark.parametrize(("text", "word"), [("Nagari", "nagari"), (" Desa  Adat ", "desa adat")])
def test_words_are_lower_case(text: str, word: str) -> None:
    assert check_word(text, field="village_word") == word


@pytest.mark.parametrize("text", ["", "d", "desa1", "<b>desa</b>", "x" * 31])
def test_bad_words_are_refused(text: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        check_word(text, field="village_word")
    assert caught.value.field == "village_word"


@pytest.mark.parametrize(
    ("official", "readable"),
    [
        ("KAB. TABANAN", "Tabanan"),
        ("KABUPATEN LIMA PULUH KOTA", "Lima Puluh Kota"),
        ("KOTA BUKITTINGGI", "Kota Bukittinggi"),
        ("DKI JAKARTA", "DKI Jakarta"),
        ("SUMATERA BARAT", "Sumatera Barat"),
        ("Kab. Tabanan", "Tabanan"),
    ],
)
def test_official_names_become_readable(official: str, readable: str) -> None:
    assert readable_name(official) == readable


def test_spellings_are_compared_by_letters() -> None:
    assert same_name("Kaba-kaba", "KABA KABA")
    assert same_name("Tj. Haro", "Tj Haro")
    assert not same_name("Bajera", "Bajera Utara")

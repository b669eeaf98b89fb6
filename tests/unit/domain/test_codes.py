"""Region codes: what is accepted, how it is stored and shown."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from siappakai.domain.codes import VillageCode, dotted, parse_region_code, parse_village_code
from siappakai.errors import InvalidInputError

two_digits = st.integers(1, 99).map("{:02}".format)
village_codes = st.tuples(
    st.integers(11, 99).map(str),
    two_digits,
    two_digits,
    st.tuples(st.sampled_from("123"), st.integers(1, 999).map("{:03}".format)).map("".join),
).map("".join)


@given(village_codes)
def test_a_code_reads_the_same_plain_and_dotted(plain: str) -> None:
    code = parse_village_code(plain)
    assert code.plain == plain
    assert parse_village_code(code.dotted) == code
    assert parse_village_code(f"  {code.dotted}\n") == code


@given(village_codes)
def test_a_code_contains_those_above_it(plain: str) -> None:
    code = VillageCode(plain)
    assert plain.startswith(code.district)
    assert code.district.startswith(code.regency)
    assert code.regency.startswith(code.province)
    assert code.dotted.startswith(dotted(code.district))


@given(st.text())
def test_any_text_is_a_code_or_refused_by_name(text: str) -> None:
    read = _read(text)
    if isinstance(read, InvalidInputError):
        assert read.field == "kode_desa"
        assert read.what
        assert read.todo
    else:
        assert len(read.plain) == 10
        assert read.plain.isascii()
        assert read.plain.isdigit()


def _read(text: str) -> VillageCode | InvalidInputError:
    try:
        return parse_village_code(text)
    except InvalidInputError as error:
        return error


@given(village_codes, st.integers(0, 9), st.characters(exclude_characters="0123456789."))
def test_one_strange_character_spoils_a_code(plain: str, position: int, strange: str) -> None:
    spoilt = plain[:position] + strange + plain[position + 1 :]
    with pytest.raises(InvalidInputError):
        parse_village_code(spoilt)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "510201200",  # one digit short
        "51020120011",  # one too many
        "51.02.01.4001",  # no such kind of village
        "51.02.01.0001",
        "51.02.01.2000",  # villages count from 1
        "51.02.00.2001",
        "51.00.01.2001",
        "10.02.01.2001",  # Aceh, 11, is the lowest province
        "51..02.01.2001",
        "51.02.012001.",
        "51 02 01 2001",
        "51-02-01-2001",
        "٥١٠٢٠١٢٠٠١",  # digits, yet not ours
        "5.102012001E+9",
        "5102012001.0",
    ],
)
def test_bad_codes_are_refused(text: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        parse_village_code(text)
    assert caught.value.field == "kode_desa"


@given(village_codes, st.sampled_from([2, 4, 6]))
def test_region_codes_read_the_same_plain_and_dotted(plain: str, digits: int) -> None:
    part = plain[:digits]
    assert parse_region_code(part, digits, field="code") == part
    assert parse_region_code(dotted(part), digits, field="code") == part


@pytest.mark.parametrize(
    "text", ["", "51", "5102011", "51.02.00", "51.02.0x", "\uff15\uff11\uff10\uff12\uff10\uff11"]
)
def test_bad_district_codes_are_refused_naming_the_field(text: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        parse_region_code(text, 6, field="district")
    assert caught.value.field == "district"


@pytest.mark.parametrize(
    ("plain", "shown"),
    [("51", "51"), ("5102", "51.02"), ("510201", "51.02.01"), ("5102012001", "51.02.01.2001")],
)
def test_codes_are_shown_dotted(plain: str, shown: str) -> None:
    assert dotted(plain) == shown


def test_what_is_no_region_code_is_not_shown() -> None:
    with pytest.raises(ValueError, match="not a region code"):
        dotted("510")

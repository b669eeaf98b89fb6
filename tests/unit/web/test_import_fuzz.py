"""Files nobody would send on purpose: an import answers them all, and changes nothing."""

import csv
import io
from datetime import date, datetime
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openpyxl import Workbook
from openpyxl.utils.exceptions import IllegalCharacterError
from sqlalchemy import func, select

from siappakai.models import District, Site, Village, db
from tests.factories import make_regency, make_village

HEADINGS = ["kode_desa", "nama_desa", "nama_kecamatan", "domain", "server", "rilis", "php", "kode"]
ODD = ["", "=1+1", "51.02.01.2001", "5102012001", "1.10", "'; DROP TABLE", "{{ 7 }}", "\x00", '"']
TEXTS = st.one_of(st.sampled_from([*HEADINGS, *ODD]), st.text(max_size=30))
GRIDS = st.lists(st.lists(TEXTS, max_size=9), max_size=12)
VALUES = st.one_of(
    TEXTS,
    st.none(),
    st.booleans(),
    st.integers(-(2**40), 2**40),
    st.floats(allow_nan=False, allow_infinity=False),
    st.dates(date(1900, 3, 1)),
    st.datetimes(datetime(1900, 3, 1)),  # noqa: DTZ001 - a workbook knows no zones
)


@st.composite
def csv_files(draw: st.DrawFn) -> bytes:
    """A CSV file with or without known headings, in one of several encodings."""
    file = io.StringIO()
    writer = csv.writer(file, delimiter=draw(st.sampled_from(",;\t|")), escapechar="\\")
    if draw(st.booleans()):
        writer.writerow(HEADINGS[: draw(st.integers(1, len(HEADINGS)))])
    writer.writerows(draw(GRIDS))
    encoding = draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252"]))
    return file.getvalue().encode(encoding, errors="ignore")


@st.composite
def xlsx_files(draw: st.DrawFn) -> bytes:
    """A workbook of cells of all kinds, sometimes cut off."""
    book = Workbook()
    if draw(st.booleans()):
        book.active.append(HEADINGS)
    for row in draw(st.lists(st.lists(VALUES, max_size=9), max_size=8)):
        try:
            book.active.append(row)
        except IllegalCharacterError:
            book.active.append(["�"])
    file = io.BytesIO()
    book.save(file)
    content = file.getvalue()
    # Its length tells the time it was made at, a share of it does not.
    whole, share = draw(st.integers(0, 3)), draw(st.floats(0, 1))
    return content if whole else content[: int(len(content) * share)]


FILES = st.tuples(
    st.one_of(csv_files(), xlsx_files(), st.binary(max_size=400)),
    st.sampled_from(["desa.csv", "desa.xlsx", "desa", "../../etc/passwd", "a\x00b.csv"]),
)
PATIENT = settings(
    deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def _registered() -> list[int]:
    db.session.rollback()
    counts = (select(func.count()).select_from(one) for one in (Village, District, Site))
    return [db.session.scalar(count) or 0 for count in counts]


def _send(operator: FlaskClient, content: bytes, name: str) -> None:
    before = _registered()
    sent: Any = operator.post("/import/", data={"file": (io.BytesIO(content), name)})
    assert sent.status_code in {303, 422}
    if sent.status_code == 303:
        assert operator.get(sent.headers["Location"]).status_code == 200
        assert operator.post(f"{sent.headers['Location']}/discard").status_code == 303
    assert _registered() == before


@pytest.fixture
def registered(operator: FlaskClient) -> FlaskClient:
    """An operator of a regency that has a village."""
    make_regency()
    make_village()
    return operator


@given(FILES)
@settings(PATIENT, max_examples=120)
def test_no_file_breaks_an_import_or_changes_anything(
    registered: FlaskClient, file: tuple[bytes, str]
) -> None:
    _send(registered, *file)


@pytest.mark.soak
@given(FILES)
@settings(PATIENT, max_examples=10_000)
def test_ten_thousand_files_break_nothing(registered: FlaskClient, file: tuple[bytes, str]) -> None:
    _send(registered, *file)

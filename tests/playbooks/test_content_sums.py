"""A dump is counted while it passes by, in whatever pieces it comes."""

from collections.abc import Iterable

import pytest

from playbooks.module_utils.content_sums import DumpSums, TableSum

HEAD = b"CREATE TABLE `desa` (\n  `nama` text\n) ENGINE=InnoDB;\n"
ROWS = (b"(1,'satu;')", b"(2,'dua,')", b"(3,'\\n(4')")
INSERT = b"INSERT INTO `desa` VALUES\n"


def dump(rows: Iterable[bytes]) -> bytes:
    return HEAD + INSERT + b",\n".join(rows) + b";\n" + b"CREATE TABLE `kosong` (\n);\n"


def sums(text: bytes, size: int) -> dict[str, TableSum]:
    """Add it up in pieces as a reader of lines gives them: none goes over the end of a line."""
    found = DumpSums()
    pieces = [
        line[at : at + size]
        for line in text.splitlines(keepends=True)
        for at in range(0, len(line), size)
    ]
    assert b"".join(found.read(pieces)) == text
    return found.tables()


@pytest.mark.parametrize("size", [1, 2, 5, 1000])
def test_pieces_of_any_size_count_the_same(size: int) -> None:
    found = sums(dump(ROWS), size)
    assert found == sums(dump(ROWS), 64)
    assert (found["desa"]["rows"], found["kosong"]["rows"]) == (3, 0)


def test_the_order_of_rows_does_not_matter_and_every_byte_does() -> None:
    known = sums(dump(ROWS), 64)
    assert sums(dump(reversed(ROWS)), 64) == known
    assert sums(dump([*ROWS[:2], b"(3,'\\n(5')"]), 64)["desa"] != known["desa"]
    assert sums(dump([*ROWS, ROWS[0]]), 64)["desa"]["rows"] == len(ROWS) + 1
    assert len(known["desa"]["hash"]) == 64


def test_a_table_may_be_filled_by_several_statements() -> None:
    parts = HEAD + INSERT + ROWS[0] + b";\n" + INSERT + b",\n".join(ROWS[1:]) + b";\n"
    assert sums(parts, 64)["desa"] == sums(dump(ROWS), 64)["desa"]

"""The trail on the command line: verified, and written out."""

import json
from pathlib import Path

from sqlalchemy import text

from siappakai.models import db
from siappakai.services import audit
from tests.factories import make_user
from tests.unit.cli.conftest import Call


def test_a_whole_trail_is_called_whole(siappakai: Call):
    make_user("made")
    said = siappakai("audit", "verify", "--json")

    assert said.exit_code == 0
    assert said.json == {
        "entries": 1,
        "hash": audit.list_entries().items[0].hash,
        "whole": True,
        "broken_at": None,
        "problem": "",
    }


def test_the_first_broken_entry_is_named_and_the_exit_code_tells(siappakai: Call):
    make_user("made")
    make_user("wayan")
    with db.engine.begin() as connection:
        connection.execute(text("DROP TRIGGER audit_entries_no_update"))
        connection.execute(text("UPDATE audit_entries SET actor = 'other' WHERE id = 2"))
    said = siappakai("audit", "verify", "--json")

    assert said.exit_code == 1
    assert (said.json["broken_at"], said.json["problem"]) == (2, "changed")


def test_the_trail_is_written_out_line_by_line(siappakai: Call, tmp_path: Path):
    for name in ("made", "wayan"):
        make_user(name)
    siappakai("settings", "set", "drain", "on")
    file = tmp_path / "audit.jsonl"
    said = siappakai("audit", "export", str(file), "--action", "user.", "--json")
    lines = [json.loads(line) for line in file.read_text().splitlines()]

    assert said.json == {"file": str(file), "entries": 2}
    assert [(line["id"], line["subject"]) for line in lines] == [(1, "made"), (2, "wayan")]
    assert lines[0]["hash"] == next(audit.export_entries()).hash
    printed = siappakai("audit", "export", "-", "--subject", "wayan").out.splitlines()
    assert [json.loads(line) for line in printed] == lines[1:]

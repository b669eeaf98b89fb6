"""What is found in a village's data is told in words."""

import ast
from pathlib import Path

from siappakai.domain import adoption

INSPECTION = Path(__file__).parents[3] / "playbooks/module_utils"
PARAMS = {
    "count": 2,
    "found": "x",
    "wanted": "y",
    "name": "Bajera",
    "tables": ["a", "b"],
    "columns": ["a.b"],
    "names": ["c"],
    "users": ["admin"],
}


def _codes() -> set[str]:
    """Return every finding the modules add."""
    found = set()
    for name in ("inspection.py", "adoption.py"):
        for node in ast.walk(ast.parse((INSPECTION / name).read_text())):
            match node:
                case ast.Call(func=ast.Attribute(attr="add"), args=[ast.Constant(value=code)]):
                    found.add(code)
                case ast.For(iter=ast.Tuple(elts=pairs)):
                    found |= {
                        pair.elts[0].value
                        for pair in pairs
                        if isinstance(pair, ast.Tuple) and isinstance(pair.elts[0], ast.Constant)
                    }
    return found


def test_every_finding_has_words() -> None:
    codes = _codes()
    assert len(codes) > 12
    for code in codes:
        told = adoption.tell(code, PARAMS)
        assert told != code
        assert "%(" not in told


def test_what_forbids_comes_first() -> None:
    report = {
        "findings": [
            {"code": "odd_nik", "blocks": False, "params": {"count": 3}},
            {"code": "other_app_key", "blocks": True, "params": {}},
            {"code": "from a newer module", "blocks": False, "params": {}},
        ]
    }
    found = adoption.findings(report)
    assert [one.code for one in found] == ["other_app_key", "odd_nik", "from a newer module"]
    assert "3 NIK" in found[1].told
    assert found[2].told == "from a newer module"
    assert adoption.findings({}) == []

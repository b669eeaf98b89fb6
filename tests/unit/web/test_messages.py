"""What modules report is told in words of the panel."""

import ast
from pathlib import Path

from flask import Flask

from siappakai.models import Target
from siappakai.web.messages import explain
from siappakai.web.steps import step_detail

ROOT = Path(__file__).parents[3]
FOLDERS = ("playbooks/library", "playbooks/module_utils", "siappakai")
ERRORS = {"Refusal", "DaemonError"}


def _codes() -> set[str]:
    """Return every code given literally to an error of a module, or put in a report."""
    found: set[str] = set()
    for folder in FOLDERS:
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                found |= _code_of(node)
    return found


def _code_of(node: ast.AST) -> set[str]:
    match node:
        case ast.Call(func=ast.Name(id=name), args=[first, *_]) if name in ERRORS:
            return _literals(first)
        case ast.Dict(keys=[ast.Constant(value="code"), *_], values=[ast.Constant(value=code), *_]):
            return {str(code)}
        case _:
            return set()


def _literals(code: ast.expr) -> set[str]:
    match code:
        case ast.Constant(value=str(text)):
            return {text}
        case ast.IfExp(body=one, orelse=other):
            return _literals(one) | _literals(other)
        case _:
            raise AssertionError(f"an error's code is no literal: {ast.unparse(code)}")


def test_every_code_a_module_can_report_is_explained(panel: Flask):
    codes = _codes()
    with panel.test_request_context():
        unexplained = {
            code
            for code in codes
            if explain(Target(error={"code": code}, message="raw")).what == "raw"
        }

    assert len(codes) > 30
    assert unexplained - {"kode_desa"} == set()


def test_a_code_nobody_knows_shows_the_modules_own_words(panel: Flask):
    with panel.test_request_context():
        assert explain(Target(error={"code": "new"}, message="raw")).what == "raw"


def test_what_modules_note_beside_a_step_is_said_in_words(panel: Flask):
    with panel.test_request_context():
        assert step_detail("cloned") == "disalin dari salinan awal rilis"
        assert step_detail("seeded by the application, as there is none").startswith("diisi oleh")
        assert step_detail("7 processes ended") == "7 processes ended"

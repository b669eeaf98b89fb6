"""What the sources never do, whatever they are for; and that the handbook names real tests."""

import ast
import re
from pathlib import Path

import pytest

from siappakai import errors
from siappakai.config import Settings
from siappakai.errors import InvalidInputError
from siappakai.supervisor import children

ROOT = Path(__file__).parents[2]
PROGRAM = [
    path for folder in ("siappakai", "playbooks") for path in sorted((ROOT / folder).rglob("*.py"))
]
TEMPLATES = sorted((ROOT / "templates" / "panel").rglob("*.html"))
TASKS = sorted((ROOT / "playbooks").rglob("*.yml"))

# What starts a shell, runs text as code, or brings objects to life from bytes.
FORBIDDEN = {
    "os.system",
    "os.popen",
    "subprocess.getoutput",
    "subprocess.getstatusoutput",
    "asyncio.create_subprocess_shell",
    "eval",
    "exec",
    "pickle.loads",
    "pickle.load",
    "yaml.load",
    "flask.render_template_string",
    "render_template_string",
    "Markup",
    "markupsafe.Markup",
}


def _calls(path: Path) -> list[ast.Call]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [node for node in ast.walk(tree) if isinstance(node, ast.Call)]


def test_there_are_sources_to_look_at():
    assert len(PROGRAM) > 150
    assert len(TEMPLATES) > 30
    assert len(TASKS) > 10


@pytest.mark.parametrize("path", PROGRAM, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_shell_and_no_text_is_run_as_a_program(path: Path):
    for call in _calls(path):
        assert ast.unparse(call.func) not in FORBIDDEN, (path, call.lineno)
        for keyword in call.keywords:
            assert keyword.arg != "shell", (path, call.lineno)


def test_no_task_of_ansible_uses_a_shell():
    for path in TASKS:
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"ansible\.builtin\.(shell|raw)|^\s*-?\s*(shell|raw):\s*\|", text), (
            path
        )


def test_templates_escape_what_they_show():
    for path in TEMPLATES:
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"\|\s*safe\b|autoescape\s+false", text), path


def test_the_panel_listens_on_loopback_unless_told(tmp_path: Path):
    settings = Settings(state=tmp_path, run_dir=tmp_path)
    panel = next(child for child in children(settings) if child.name == "panel")

    assert settings.host == "127.0.0.1"
    assert any(word.endswith("127.0.0.1:8080") for word in panel.argv)
    with pytest.raises(InvalidInputError, match="tanpa enkripsi"):
        children(settings.model_copy(update={"host": "192.0.2.7"}))
    told = children(settings.model_copy(update={"host": "192.0.2.7", "secure_cookies": True}))
    assert "192.0.2.7:8080" in next(child for child in told if child.name == "panel").argv


HANDBOOK = (ROOT / "docs/security.md").read_text()
NAMED = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+))?`")


def test_the_tests_named_in_the_security_handbook_exist():
    for path, test in NAMED.findall(HANDBOOK):
        assert (ROOT / path).is_file(), path
        if test:
            assert re.search(rf"^def {test}\(", (ROOT / path).read_text(), re.MULTILINE), test


@pytest.mark.parametrize("rule", range(1, 18))
def test_each_rule_of_the_security_handbook_is_proved_at_each_commit(rule: int):
    (row,) = re.findall(rf"^\| {rule} \|.*$", HANDBOOK, re.MULTILINE)
    if rule == 11:  # what is not there has no test of its own
        assert "by absence" in row
        return
    proofs = NAMED.findall(row)
    assert proofs
    assert any(not _takes_long(ROOT / path, test) for path, test in proofs), row


def _takes_long(path: Path, test: str) -> bool:
    """Tell whether a test, or all of a file, is left to `make soak`."""
    tree = ast.parse(path.read_text())
    marks = [
        ast.unparse(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "pytestmark"
    ]
    marks += [
        ast.unparse(mark)
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and node.name == test
        for mark in node.decorator_list
    ]
    return any(re.search(r"mark\.(soak|opensid)\b", mark) for mark in marks)


# Errors whose words people read in a panel of two languages, and what makes them.
TOLD = {name for name, one in vars(errors).items() if isinstance(one, type)}
TOLD |= {"error", "Problem", "_refusal", "_refused"}
# The command line speaks Indonesian alone, and so does `make run`.
IN_ONE_LANGUAGE = ("siappakai/cli/", "siappakai/services/demo", "playbooks/")


@pytest.mark.parametrize(
    "path",
    [path for path in PROGRAM if not str(path.relative_to(ROOT)).startswith(IN_ONE_LANGUAGE)],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_what_an_error_tells_can_be_translated(path: Path):
    for call in _calls(path):
        if ast.unparse(call.func).rpartition(".")[2] in TOLD:
            for word in call.args:
                is_sentence = isinstance(word, ast.JoinedStr) or (
                    isinstance(word, ast.Constant)
                    and isinstance(word.value, str)
                    and " " in word.value
                )
                assert not is_sentence, f"{path.name}:{call.lineno} is not for `say`"

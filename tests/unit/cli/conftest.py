"""The command line over the test's registry."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from click.testing import CliRunner
from flask import Flask

from siappakai.cli import main
from siappakai.models import db


@dataclass(frozen=True)
class Said:
    """How a command ended and what it printed."""

    exit_code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def error(self) -> dict[str, Any]:
        """The error object of a command that failed with --json."""
        return json.loads(self.err)["error"]

    @property
    def lines(self) -> list[list[str]]:
        """What a table printed, without its headings, cell by cell."""
        return [line.split("\t") for line in self.out.splitlines()[1:]]


Call = Callable[..., Said]


@pytest.fixture
def siappakai(registry: Flask, monkeypatch: pytest.MonkeyPatch) -> Call:
    """Call a command as from a shell without a terminal."""
    settings = registry.extensions["siappakai.settings"]
    monkeypatch.setenv("SIAPPAKAI_STATE", str(settings.state))
    monkeypatch.setenv("SIAPPAKAI_RUN_DIR", str(settings.run_dir))
    monkeypatch.setenv("SIAPPAKAI_DATABASE_URL", settings.registry_url)

    def call(*words: str, stdin: str = "") -> Said:
        db.session.commit()
        result = CliRunner().invoke(main, words, input=stdin)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        # What the command wrote is looked at anew.
        db.session.expire_all()
        return Said(result.exit_code, result.stdout, result.stderr)

    return call

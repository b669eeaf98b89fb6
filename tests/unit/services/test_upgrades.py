"""An upgrade that was cut short, and who may change the service at once."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingUnixStreamServer

import pytest
from flask import Flask

from siappakai.errors import ConflictError
from siappakai.gateways.systemd import Systemd
from siappakai.services import service, service_plans, upgrades
from siappakai.services.exclusion import alone
from siappakai.services.service import Places

# Writes down what it was called with, and answers as the command line does.
PROGRAM = """#!/bin/sh
echo "$@" >> "$(dirname "$0")/../calls"
echo '{}'
"""


class _Ready(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Keep the test's output clean."""


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Places:
    """A service whose new program is in use, with the note of an upgrade that was cut short."""
    found = Places(root=tmp_path / "opt", backups=tmp_path / "b", socket=tmp_path / "http.sock")
    for name in ("old", "new"):
        command = found.programs / name / "bin/siappakai"
        command.parent.mkdir(parents=True)
        command.write_text(PROGRAM)
        command.chmod(0o755)
    found.current.symlink_to(found.programs / "new")
    begun = {"old": str(found.programs / "old"), "copy": "/gone", "was_draining": False}
    (found.root / "upgrade.json").write_text(json.dumps(begun))
    monkeypatch.setattr(service, "PLACES", found)
    return found


@pytest.fixture
def serving(places: Places) -> Iterator[None]:
    """The panel of the new program answers."""
    with ThreadingUnixStreamServer(str(places.socket), _Ready) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield
        server.shutdown()


@pytest.mark.usefixtures("serving")
def test_a_program_that_serves_is_left_to_serve(registry: Flask, places: Places) -> None:
    settings = registry.extensions["siappakai.settings"]
    upgrades.end_unfinished(settings, Systemd(places.folders))
    assert not (places.root / "upgrade.json").exists()
    assert (places.programs / "new/calls").read_text() == "settings set drain off --json\n"
    assert not (places.programs / "old/calls").exists()


def test_an_upgrade_is_rehearsed(
    registry: Flask, places: Places, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = registry.extensions["siappakai.settings"]
    monkeypatch.setattr(service, "checkout", lambda: tmp_path)
    (places.programs / "new/bin/siappakai").write_text("#!/bin/sh\necho '{\"total\": 2}'\n")
    told = service_plans.of_upgrade(settings, Systemd(places.folders, booted=tmp_path))
    newer = service.program_of(tmp_path)

    assert (told.before, told.now) == ("new", newer.name)
    assert "terputus" in told.steps[0]
    assert f"Pasang program di {newer.folder}." in told.steps
    assert any("tunggu 2 pekerjaan" in step for step in told.steps)
    assert not newer.folder.exists()
    assert (places.begun.exists(), places.backups.exists()) == (True, False)
    monkeypatch.setattr(service, "installed_program", lambda: newer)
    assert (
        len(service_plans.of_upgrade(settings, Systemd(places.folders, booted=tmp_path)).steps) == 1
    )


def test_the_service_is_changed_by_one_at_a_time(tmp_path: Path) -> None:
    with (
        alone(tmp_path),
        pytest.raises(ConflictError, match="sedang dipasang"),
        alone(tmp_path),
    ):
        raise AssertionError("two at once")
    # What was held is free again, or this raises.
    with alone(tmp_path):
        tmp_path.stat()

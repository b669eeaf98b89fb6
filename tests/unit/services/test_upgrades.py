"""An upgrade that was cut short, and who may change the service at once."""

import json
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingUnixStreamServer

import pytest
from flask import Flask
from sqlalchemy import make_url

from siappakai.errors import ConflictError, SiapPakaiError
from siappakai.gateways.program import Program
from siappakai.gateways.systemd import Systemd
from siappakai.models import User, db
from siappakai.services import service, service_plans, upgrades
from siappakai.services.exclusion import alone
from siappakai.services.service import Places
from tests.factories import make_user

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


# Answers as the command line does; its migration loses an account, then fails.
FAILING = """#!/bin/sh
here="$(dirname "$0")/.."
echo "$@" >> "$here/calls"
case "$*" in
  "registry upgrade"*) LOSE ; echo "no such column" >&2 ; exit 1 ;;
  "settings get"*) echo '{"items": [{"value": false}]}' ;;
  "run list"*) echo '{"total": 0}' ;;
  *) echo '{}' ;;
esac
"""


def _systemd(folder: Path) -> Systemd:
    """A systemd that writes into `folder`/systemd what it was told."""
    systemctl, folders = folder / "systemctl", folder / "folders.conf"
    systemctl.write_text(f'#!/bin/sh\necho "$@" >> {folder}/systemd\n')
    systemctl.chmod(0o755)
    folders.touch()
    return Systemd(folders, program=str(systemctl), booted=folder)


@pytest.mark.usefixtures("serving")
def test_a_registry_a_failing_upgrade_spoiled_is_brought_back(
    registry: Flask, places: Places, tmp_path: Path
) -> None:
    settings = registry.extensions["siappakai.settings"]
    make_user("ketut")
    db.session.commit()
    db.session.remove()
    lose = "import sqlite3 as s; c = s.connect(0); c.execute('DELETE FROM users'); c.commit()"
    lose = lose.replace("0", repr(make_url(settings.registry_url).database), 1)
    old, new = Program(places.programs / "old"), Program(places.programs / "new")
    for program in (old, new):
        script = FAILING.replace("LOSE", f'{sys.executable} -c "{lose}"')
        (program.folder / "bin/siappakai").write_text(script)
    places.current.unlink()
    places.current.symlink_to(old.folder)
    places.begun.unlink()
    places.backups.mkdir()
    systemd = _systemd(tmp_path)
    with pytest.raises(upgrades.RolledBackError, match="no such column"):
        upgrades.change_program(settings, systemd, old, new, patience_seconds=0)

    assert [user.username for user in db.session.query(User)] == ["ketut"]
    assert (new.folder / "calls").read_text() == "registry upgrade --json\n"
    assert (old.folder / "calls").read_text().endswith("settings set drain off --json\n")
    assert "start siappakai.target" in (tmp_path / "systemd").read_text().splitlines()[-2]
    assert not places.begun.exists()


@pytest.mark.usefixtures("serving")
def test_a_fault_of_the_machine_takes_the_upgrade_back_too(
    registry: Flask, places: Places, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = registry.extensions["siappakai.settings"]
    old, new = Program(places.programs / "old"), Program(places.programs / "new")
    for program in (old, new):
        (program.folder / "bin/siappakai").write_text(FAILING.replace("LOSE", "true"))
    places.current.unlink()
    places.current.symlink_to(old.folder)
    places.begun.unlink()
    systemd = _systemd(tmp_path)

    def fail(*_: object) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(upgrades, "save_registry", fail)
    with pytest.raises(SiapPakaiError, match="No space") as caught:
        upgrades.change_program(settings, systemd, old, new, patience_seconds=0)

    assert "Program lama bekerja kembali" in str(caught.value.todo)
    assert "start siappakai.target" in (tmp_path / "systemd").read_text().splitlines()[-2]
    assert (old.folder / "calls").read_text().endswith("settings set drain off --json\n")
    assert not places.begun.exists()


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

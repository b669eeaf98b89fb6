"""What lies in clear on a server: brought past no folder of an account, and gone after a kill."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest

from playbooks.module_utils import mariadb
from playbooks.module_utils.outcome import MySQLError
from playbooks.module_utils.switching import settle_all
from tests.playing import Played, play

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="what is brought belongs to root")
NOWHERE = "/proc/siappakai"
BOOK = """
- hosts: all
  gather_facts: false
  tasks:
    - closed_copy: {src: "{{ src }}", dest: "{{ dest }}", what: The files of a village}
"""


def bring(folder: Path, source: Path) -> Played:
    book = folder / "book.yml"
    book.write_text(BOOK)
    known = {"src": str(source), "dest": str(folder / "dest")}
    inventory = {"all": {"hosts": {"one": {"ansible_connection": "local"}}}}
    plugins = Path(__file__).parents[2] / "playbooks/action_plugins"
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("ANSIBLE_ACTION_PLUGINS", str(plugins))
        # What would lie there for a moment cannot.
        patched.setenv("ANSIBLE_REMOTE_TMP", NOWHERE)
        return play(book, inventory, "-e", json.dumps(known))


@pytest.mark.patient
def test_it_is_brought_whole_past_no_folder_of_an_account(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(os.urandom((17 << 20) + 5))
    (tmp_path / "dest").write_bytes(b"half of another")
    played = bring(tmp_path, source)
    assert played.succeeded, played.text
    dest = tmp_path / "dest"
    brought, given = (hashlib.sha256(path.read_bytes()) for path in (dest, source))
    assert brought.digest() == given.digest()
    assert dest.stat().st_mode & 0o777 == 0o600


@pytest.mark.soak
def test_nothing_of_what_finds_no_room_is_brought(tmp_path: Path) -> None:
    source = tmp_path / "source"
    with source.open("wb") as file:
        file.truncate(8 << 40)
    played = bring(tmp_path, source)
    assert not played.succeeded
    assert "The files of a village may take 8388608 MB" in played.text
    assert not (tmp_path / "dest").exists()


def test_what_a_killed_play_left_in_clear_is_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Be MariaDB down."""

    def is_down(_socket: str) -> None:
        raise MySQLError("down")

    monkeypatch.setattr(mariadb, "administrator", is_down)
    slug = "opensid-5102012001"
    left = [
        tmp_path / "scratch" / f"adopt-{slug}" / "files",
        tmp_path / "scratch" / f"restore-{slug}",
        tmp_path / "outgoing" / f"{slug}.zip",
        tmp_path / "outgoing" / f"{slug}.partial",
    ]
    other = tmp_path / "outgoing" / "opensid-5102012002.zip"
    for path in (*left, other):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("nama, NIK")
    layout: Any = {"root": str(tmp_path), "scratch": str(tmp_path / "scratch"), "db_socket": ""}
    sites: Any = [{"slug": slug, "folder": str(tmp_path / "site")}]
    settle_all(layout, sites)
    assert not any(path.exists() for path in left)
    assert other.exists()

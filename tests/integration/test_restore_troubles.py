"""Restoring when something else is wrong: an ill vhost, a full disk, a password that changed."""

import os
import secrets
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from playbooks.module_utils import closing, journals, restoring
from playbooks.module_utils.outcome import Refusal, Steps
from playbooks.module_utils.restoring import restore
from playbooks.module_utils.services import Reload
from tests.restores import OLD_PHOTO, Village, with_mistake

pytestmark = [
    pytest.mark.integration,
    pytest.mark.patient,
    pytest.mark.skipif(os.geteuid() != 0, reason="sites are restored as root"),
    pytest.mark.timeout(900),
]
_SPARE = 8 << 20


@pytest.fixture
def village(lived_in: Village) -> Iterator[Village]:
    yield from with_mistake(lived_in)


def test_a_village_whose_vhost_is_ill_is_restored_all_the_same(village: Village) -> None:
    """That is when people restore; and the vhost is mended by an install."""
    layout = village.fleet.layout
    vhost = Path(layout.nginx_sites, f"{village.host.site.slug}.conf")
    text = vhost.read_text()
    vhost.unlink()
    try:
        Reload(layout.as_vars(), php=False).perform([])
        restore(village.order(), village.asks(run=7), Steps())
        assert (village.people(), village.photo()) == (["Made", "Wayan"], OLD_PHOTO)
    finally:
        vhost.write_text(text)
        Reload(layout.as_vars(), php=False).perform([])
    assert village.is_then()


def test_what_the_application_cannot_show_is_not_blamed_on_the_vhost(
    village: Village, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = restoring.switch

    def spoil(*given: Any) -> None:
        real(*given)
        Path(village.host.site.folder, "desa/config/database.php").write_text("<?php exit;")

    layout = village.fleet.layout
    vhost = Path(layout.nginx_sites, f"{village.host.site.slug}.conf")
    text = vhost.read_text()
    vhost.unlink()
    try:
        Reload(layout.as_vars(), php=False).perform([])
        monkeypatch.setattr(restoring, "switch", spoil)
        with pytest.raises(Refusal) as refusal:
            restore(village.order(), village.wish, Steps())
    finally:
        vhost.write_text(text)
        Reload(layout.as_vars(), php=False).perform([])
    assert refusal.value.code == "restore_unwell"
    assert village.is_now()


@pytest.mark.parametrize(
    "moment",
    [(closing, "close"), pytest.param((restoring, "require_well"), marks=pytest.mark.soak)],
    ids=["closed", "checked"],
)
def test_a_disk_that_fills_during_the_switch_leaves_the_village_as_it_was(
    village: Village, monkeypatch: pytest.MonkeyPatch, moment: tuple[Any, str]
) -> None:
    owner, name = moment
    with _small_disk(village) as fill:
        real = getattr(owner, name)

        def then_full(*given: Any, **named: Any) -> Any:
            done = real(*given, **named)
            fill()
            return done

        with monkeypatch.context() as patched:
            patched.setattr(owner, name, then_full)
            with pytest.raises(OSError, match="No space left"):
                restore(village.order(), village.wish, Steps())
        assert village.traces() == []
        assert village.is_now(), "on a full disk still"
    assert village.is_now()


@pytest.mark.soak
def test_what_is_kept_is_dropped_on_a_full_disk(village: Village) -> None:
    """It is what people do when a disk is full."""
    with _small_disk(village) as fill:
        restore(village.order(), village.wish, Steps())
        fill()
        assert village.forget()
        assert village.traces() == []
        assert village.is_then()


@pytest.mark.soak
def test_a_restore_is_undone_after_the_database_password_was_renewed(village: Village) -> None:
    restore(village.order(), village.asks(run=7), Steps())
    renewed = replace(village.host.secrets, db_password=secrets.token_hex(40))
    village.host = replace(village.fleet.again(village.host), secrets=renewed)
    played = village.fleet.play("install", village.host)
    assert played.succeeded, played.text
    assert village.is_then()
    village.take_back(8)
    assert village.is_now()
    assert village.fleet.play("health", village.fleet.again(village.host)).succeeded
    village.take_back(9)
    assert village.is_then()


@pytest.mark.soak
def test_a_damaged_journal_stops_what_would_touch_the_site_and_is_told(village: Village) -> None:
    restore(village.order(), village.asks(run=7), Steps())
    file = Path(village.host.site.folder, "aside/journal.json")
    text = file.read_text()
    file.write_text("")
    for work in (lambda: restore(village.order(), village.wish, Steps()), village.forget):
        with pytest.raises(Refusal) as refusal:
            work()
        assert refusal.value.code == "journal_damaged"
    played = village.fleet.play("health", village.fleet.again(village.host))
    assert not played.succeeded
    assert "cannot be read" in played.text
    assert village.is_then(), "it goes on serving"
    file.write_text(text)
    village.take_back(8)
    assert village.is_now()
    assert journals.read(village.host.site.folder) is not None


@contextmanager
def _small_disk(village: Village) -> Iterator[Callable[[], None]]:
    """Put the village's folder on a small disk of its own; yields what fills it up."""
    folder = Path(village.host.site.folder)
    with TemporaryDirectory(prefix="siappakai-") as place:
        used = subprocess.run(["du", "-sxB1", folder], check=True, capture_output=True, text=True)
        size = int(used.stdout.split()[0]) + _SPARE
        _run("mount", "-t", "tmpfs", "-o", f"size={size},mode=711", "tmpfs", place)
        _run("cp", "-a", f"{folder}/.", place)
        _run("mount", "--bind", place, folder)
        ballast = folder / "ballast"

        def fill() -> None:
            with suppress(OSError), ballast.open("wb", buffering=0) as file:
                while True:
                    file.write(b"\0" * 4096)

        try:
            yield fill
        finally:
            _run("umount", "--lazy", folder)
            _run("umount", "--lazy", place)


def _run(*argv: str | Path) -> None:
    subprocess.run(argv, check=True)

"""Restoring over a village that runs, as the registry knows it: asked for, believed, let go."""

import io
import os
import tarfile
import time
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import update

from siappakai.domain.backups import manifest_hash, name_of
from siappakai.domain.restores import check_scope
from siappakai.domain.states import RunState, SiteState
from siappakai.errors import ConflictError, InvalidInputError, RefusedError
from siappakai.models import Backup, Run, Site, db, utc_now
from siappakai.models.transactions import transaction
from siappakai.services import (
    incoming,
    mass_restores,
    outcomes,
    restorations,
    retries,
    settings,
)
from siappakai.services.restore_runs import play_vars
from tests.factories import BY, make_release, make_run, make_site

KEY = "base64:" + "A" * 43 + "="


@pytest.fixture
def site(registry: Flask) -> Site:
    return make_site(release=make_release(), state=SiteState.ACTIVE)


def _backup(site: Site, name: str = "1") -> Backup:
    with transaction() as session:
        backup = Backup(
            site_id=site.id,
            server_id=site.server_id,
            name=name_of(f"opensid-{name}", 1),
            taken_at=utc_now(),
            size=1,
            sha256="0" * 64,
            manifest={"taken_at": "2026-11-22"},
        )
        session.add(backup)
    return backup


def plain_backup(key: str = KEY) -> io.BytesIO:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        # One that a stranger's archive would be refused for.
        for name in ("files/desa/upload/desa/app_key", "files/desa/app_key"):
            entry = tarfile.TarInfo(name)
            entry.size = len(key)
            archive.addfile(entry, io.BytesIO(key.encode()))
    made.seek(0)
    return made


def open_backup(site: Site) -> Backup:
    backup = _backup(site, str(site.id))
    incoming.receive_backup(
        site.village.code,
        plain_backup(),
        backup_id=backup.id,
        manifest_sha256=manifest_hash(backup.manifest),
        by=BY,
    )
    return backup


def keep_state(site: Site, **changes: Any) -> None:
    until = utc_now() + timedelta(days=7)
    told = {"run": 1, "backup": "b", "scope": "site", "serving": "new", "until": until.isoformat()}
    with transaction():
        run = make_run("health", [site], state=RunState.RUNNING)
        run.targets[0].result = {"healthy": True, "state": "installed", "kept": {**told, **changes}}
        outcomes.conclude(db.session(), run.targets[0], RunState.SUCCEEDED)


@pytest.mark.parametrize(
    "scope", ["site", "database", "files", "folder:upload/dokumen", "table:tweb_rtm"]
)
def test_what_can_be_restored(scope: str) -> None:
    assert check_scope(scope) == scope


@pytest.mark.parametrize(
    "scope",
    [
        "",
        "table",
        "table:a;b",
        "folder:",
        "folder:../x",
        "folder:config",
        "folder:a//b",
        "folder:.x",
    ],
)
def test_what_cannot_be_restored_is_refused(scope: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        check_scope(scope)
    assert refused.value.field == "scope"


def test_a_run_is_told_of_the_backup_that_wasopen_backup(site: Site) -> None:
    with pytest.raises(RefusedError):
        restorations.request(site, scope="site", only_look=True, by=BY)
    backup = open_backup(site)
    assert incoming.received(site.village.code).app_key == KEY
    run = restorations.request(site, scope="files", only_look=False, by=BY)
    host = run.targets[0].host
    told = play_vars(run)["wishes"][host]
    assert run.play == "restore"
    assert told["manifest_sha256"] == manifest_hash(backup.manifest)
    assert (told["run"], told["scope"]) == (run.id, "files")
    assert told["source"].endswith(f"/restore-{host}")


def test_several_villages_are_restored_by_one_run_of_their_server(site: Site) -> None:
    other = make_site(release=site.release)
    for one in (site, other):
        open_backup(one)
    (run,) = restorations.request_many([site, other], scope="site", only_look=False, by=BY)
    first, second = run.targets
    assert restorations.backup_of(run, other).site_id == other.id
    assert list(play_vars(run)["wishes"]) == [first.host, second.host]
    with transaction():
        # Its backup could not be brought to the server.
        first.state = RunState.FAILED
    assert list(play_vars(run)["wishes"]) == [second.host]
    with transaction():
        run.state = second.state = RunState.FAILED
    (again,) = retries.retry_failed(run.id, by=BY)
    assert (again.play, again.options) == ("restore", run.options)


def test_restoring_many_wants_their_number_and_leaves_out_what_has_no_backup(site: Site) -> None:
    key = f"AGE-SECRET-KEY-1{'Q' * 58}"
    with pytest.raises(InvalidInputError) as refused:
        mass_restores.restore_newest([site], identity=key, confirmed_count=2, by=BY)
    assert refused.value.field == "confirmed_count"
    with pytest.raises(InvalidInputError):
        mass_restores.restore_newest([site], identity="x", confirmed_count=1, by=BY)
    (turn,) = mass_restores.restore_newest([site], identity=key, confirmed_count=1, by=BY)
    assert turn.runs == []
    assert "tidak punya cadangan" in turn.problems[site.id]
    keep_state(site)
    (turn,) = mass_restores.restore_newest([site], identity=key, confirmed_count=1, by=BY)
    assert "masih disimpan" in turn.problems[site.id], "it is told before anything is opened"


def test_an_opened_backup_of_a_site_that_is_not_there_is_not_laid_over_it(site: Site) -> None:
    open_backup(site)
    with transaction():
        site.state = SiteState.PLANNED
    with pytest.raises(ConflictError):
        restorations.request(site, scope="site", only_look=True, by=BY)


def test_what_a_server_keeps_is_known_from_its_health_and_asked_to_go(site: Site) -> None:
    with pytest.raises(ConflictError):
        restorations.request_undo(site, by=BY)
    keep_state(site)
    kept = restorations.kept_of(site)
    assert kept is not None
    assert not kept.is_undone
    open_backup(site)
    restorations.request(site, scope="site", only_look=True, by=BY)
    with pytest.raises(ConflictError):
        restorations.request(site, scope="site", only_look=False, by=BY)
    undo = restorations.request_undo(site, by=BY)
    told = play_vars(undo)["wishes"][undo.targets[0].host]
    assert (undo.play, told["expects"]) == ("undo", 1)
    assert restorations.let_go() == []
    assert restorations.let_go(utc_now() + timedelta(days=8)) == [], "it may be wanted back"
    with transaction() as session:
        session.execute(update(Run).values(state=RunState.SUCCEEDED))
    (run,) = restorations.let_go(utc_now() + timedelta(days=8))
    assert (run.play, run.options) == ("forget", {"expects": 1})
    assert restorations.let_go(utc_now() + timedelta(days=8)) == [], "it is asked for already"
    keep_state(site, until="whenever")
    assert restorations.kept_of(site) is None
    assert site.kept_until is None


def test_dropping_that_failed_is_tried_again_later(site: Site) -> None:
    keep_state(site)
    later = utc_now() + timedelta(days=8)
    (run,) = restorations.let_go(later)
    with transaction():
        run.state, run.ended_at = RunState.FAILED, later
    assert restorations.let_go(later + timedelta(hours=1)) == []
    assert len(restorations.let_go(later + timedelta(hours=7))) == 1


@pytest.mark.parametrize(
    ("play", "kept", "end"),
    [
        ("restore", {}, RunState.FAILED),
        ("restore", {"run": 5, "serving": "new"}, RunState.SUCCEEDED),
        ("restore", {"run": 4, "serving": "new"}, RunState.FAILED),
        ("undo", {"run": 4, "serving": "new"}, RunState.FAILED),
        ("undo", {"run": 5, "serving": "old"}, RunState.SUCCEEDED),
        ("forget", {}, RunState.SUCCEEDED),
        ("forget", {"run": 4, "serving": "new"}, RunState.FAILED),
    ],
)
def test_how_a_killed_run_ended_is_seen_by_what_is_kept(
    play: str, kept: dict[str, Any], end: RunState
) -> None:
    told = {**kept, "until": "2030-01-01T00:00:00+00:00"} if kept else {}
    verdict = {"healthy": True, "state": "installed", "kept": told, "checks": []}
    assert outcomes.settled_state(play, verdict, RunState.FAILED, run_id=5) is end


def test_a_failed_restore_is_asked_for_again(site: Site) -> None:
    open_backup(site)
    run = restorations.request(site, scope="database", only_look=False, by=BY)
    with transaction():
        run.state = RunState.FAILED
        run.targets[0].state = RunState.FAILED
    (again,) = retries.retry_failed(run.id, by=BY)
    assert (again.play, again.options) == ("restore", run.options)


def test_a_look_counts_until_something_else_was_asked_for(site: Site) -> None:
    open_backup(site)
    run = restorations.request(site, scope="site", only_look=True, by=BY)
    assert restorations.newest_look(site.id) is None
    with transaction():
        run.targets[0].state = RunState.SUCCEEDED
        run.targets[0].result = {"rows": {"now": 1, "then": 2}, "tables": []}
    found = restorations.newest_look(site.id)
    assert found is not None
    assert restorations.change_of(found)["rows"]["then"] == 2
    restorations.request(site, scope="site", only_look=False, by=BY)
    assert restorations.newest_look(site.id) is None


def test_an_opened_backup_lies_here_for_a_day_and_halves_while_received(site: Site) -> None:
    open_backup(site)
    folder = incoming.received(site.village.code).folder
    half = folder.with_name(f".{folder.name}-ab12")
    half.mkdir()
    (half / "files").touch()
    incoming.forget_old()
    assert folder.exists()
    assert half.exists()
    hours_ago = time.time() - 2 * 3600
    for path in (half, half / "files"):
        os.utime(path, (hours_ago, hours_ago))
    incoming.forget_old()
    assert folder.exists()
    assert not half.exists()
    long_ago = time.time() - (incoming.OPENED_HOURS + 1) * 3600
    os.utime(folder, (long_ago, long_ago))
    incoming.forget_old()
    assert not folder.exists()


def test_how_long_it_is_kept_is_a_setting(site: Site) -> None:
    settings.put(settings.RESTORE_KEEP_DAYS, 30, by=BY)
    keep_state(site)
    run = restorations.request_undo(site, by=BY)
    until = play_vars(run)["wishes"][run.targets[0].host]["until"]
    assert until > (utc_now() + timedelta(days=29)).isoformat()
    with pytest.raises(InvalidInputError):
        settings.put(settings.RESTORE_KEEP_DAYS, 0, by=BY)
    assert db.session.get(Run, run.id) is not None

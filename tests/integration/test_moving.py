"""A village moves in and out by the commands people type, through the queue and a worker."""

import gzip
import json
import os
import re
import subprocess
import sys
import zipfile
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from playbooks.module_utils.driver import connect
from siappakai.domain.states import RunState, SiteState
from siappakai.errors import RefusedError
from siappakai.models import Site, db
from siappakai.services import adoptions, incoming, releases, retries, sites
from siappakai.services.adoptions import Wish
from tests import factories
from tests.engine import INSTALLED_SECONDS, PARTS, Engine
from tests.sites import NEW

pytestmark = [
    pytest.mark.integration,
    pytest.mark.soak,
    pytest.mark.skipif(os.geteuid() != 0, reason="sites are installed as root"),
    pytest.mark.timeout(900),
]
PROGRAM = Path(sys.executable).with_name("siappakai")


def _call(*words: str) -> tuple[int, Any]:
    said = subprocess.run(
        [PROGRAM, *words, "--json"], capture_output=True, text=True, check=False, cwd="/"
    )
    assert said.stdout, said.stderr
    db.session.commit()
    db.session.expire_all()
    return said.returncode, json.loads(said.stdout)


def _contents(engine: Engine, database: str) -> str:
    """Return all that a database holds, but its count of visitors, as comparable SQL."""
    visitors = f"--ignore-table={database}.sys_traffic"
    argv = ["mariadb-dump", "--no-defaults", "--user=root", "--skip-comments", visitors]
    more = ["--order-by-primary", f"--socket={engine.fleet.layout.db_socket}", database]
    told = subprocess.run([*argv, *more], check=True, capture_output=True, text=True).stdout
    return re.sub(r"DEFINER=\S+ SQL SECURITY (?:DEFINER|INVOKER)", "", told)


def _resident(engine: Engine, database: str) -> None:
    link = connect(engine.fleet.layout.db_socket, "root", "", database)
    with closing(link), link.cursor() as cursor:
        # The real OpenSID fills columns without a default in code.
        cursor.execute("SET SESSION sql_mode = '', foreign_key_checks = 0")
        cursor.execute(
            "INSERT INTO tweb_penduduk (config_id, nama, nik)"
            " VALUES (1, 'Ni Luh', '5102010101800001')"
        )


def _files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.is_relative_to(folder / "config")
    }


def _removed(engine: Engine, site: Site) -> None:
    (run,) = sites.request_remove(site_ids=[site.id], confirmed_count=1, by=factories.BY)
    assert engine.settle(run, INSTALLED_SECONDS).state is RunState.SUCCEEDED, engine.told(run)


def test_a_village_moves_out_and_in_again_as_it_was(engine: Engine, tmp_path: Path) -> None:
    engine.start(*PARTS)
    (site,) = engine.villages(1)
    assert engine.settle(engine.install([site]), INSTALLED_SECONDS).state is RunState.SUCCEEDED
    code, database = site.village.code, f"{engine.fleet.layout.prefix}_opensid_{site.village.code}"
    home = Path(engine.fleet.layout.sites, f"opensid-{code}")
    _resident(engine, database)
    (home / "desa/upload/kades.jpg").write_bytes(b"\xff\xd8 foto")
    before, files = _contents(engine, database), _files(home / "desa")
    (home / "desa/upload/tautan").symlink_to("/etc/shadow")
    archive = tmp_path / "desa.zip"
    exit_code, written = _call("village", "export", str(archive), "--village", code)
    assert (exit_code, written["format"]) == (0, "zip")
    assert archive.stat().st_mode & 0o777 == 0o600
    assert not any((engine.settings.state / "outgoing").iterdir())
    assert not any(Path(engine.fleet.layout.root, "outgoing").iterdir())
    with zipfile.ZipFile(archive) as packed:
        names = set(packed.namelist())
        sql = gzip.decompress(packed.read("basisdata.sql.gz"))
        assert b"DEFINER=" not in sql
        assert not sql.startswith(b"/*M!")
        assert "village adopt" in packed.read("BACA-SAYA.txt").decode()
        assert b"ISI_SANDI" in packed.read("desa/config/database.php")
    assert {"desa/app_key", "desa/upload/kades.jpg"} <= names
    assert "desa/upload/tautan" not in names
    (home / "desa/upload/tautan").unlink()
    _removed(engine, site)
    given = ["--files", str(archive), "--server", "Server uji", "--domain", f"d{code}.desa.id"]
    given += ["--release", NEW, "--follow"]
    exit_code, looked = _call("village", "adopt", code, *given, "--look")
    assert (exit_code, looked["state"]) == (0, "succeeded"), looked
    assert looked["schema_version"] == engine.fleet.releases[NEW].schema_version
    assert looked["residents"] == 1
    assert not any(one["blocks"] for one in looked["findings"])
    db.session.refresh(site)
    assert site.state is SiteState.PLANNED
    assert not home.exists()
    exit_code, moved = _call("village", "adopt", code, "--follow")
    assert (exit_code, moved["state"]) == (0, "succeeded"), moved
    db.session.refresh(site)
    assert site.state is SiteState.ACTIVE
    assert site.release is not None
    assert engine.answers(site)
    assert _contents(engine, database) == before
    assert _files(home / "desa") == files
    engine.until(lambda: not any((engine.settings.state / "incoming").iterdir()))
    with pytest.raises(RefusedError, match="akunnya sendiri"):
        sites.admin_login(site.id, by=factories.BY)


def test_what_is_refused_is_told_and_nothing_is_there(engine: Engine, tmp_path: Path) -> None:
    engine.start(*PARTS)
    (site,) = engine.villages(1)
    files = tmp_path / "desa.zip"
    with zipfile.ZipFile(files, "w") as archive:
        archive.writestr("desa/app_key", "base64:" + "A" * 43 + "=")
        archive.writestr("isi.sql", "CREATE TABLE lain (id INT);\n")
    given = ["--files", str(files), "--release", NEW, "--follow"]
    exit_code, told = _call("village", "adopt", site.village.code, *given)
    assert exit_code == 10
    assert [one["code"] for one in told["findings"]] == ["not_opensid"]
    db.session.refresh(site)
    assert site.state is SiteState.PLANNED
    newest = adoptions.newest_look(site.id)
    assert newest is not None
    assert [one.code for one in adoptions.findings_of(newest)] == ["not_opensid"]
    assert incoming.received(site.village.code).folder.stat().st_mode & 0o777 == 0o700
    assert not Path(engine.fleet.layout.sites, f"opensid-{site.village.code}").exists()


def test_a_move_that_was_killed_is_finished_by_its_retry(engine: Engine, tmp_path: Path) -> None:
    engine.start(*PARTS)
    (site,) = engine.villages(1)
    assert engine.settle(engine.install([site]), INSTALLED_SECONDS).state is RunState.SUCCEEDED
    code, database = site.village.code, f"{engine.fleet.layout.prefix}_opensid_{site.village.code}"
    archive = tmp_path / "desa.zip"
    assert _call("village", "export", str(archive), "--village", code)[0] == 0
    before = _contents(engine, database)
    _removed(engine, site)
    with archive.open("rb") as files:
        incoming.receive(code, files=files, database=None, by=factories.BY)
    engine.start()
    place = Wish(engine.server, f"d{code}.desa.id", releases.get_release(NEW))
    run = adoptions.request(site.village, place, only_look=False, by=factories.BY)
    # In the middle of it: the throw-away schema is there.
    engine.until(lambda: bool(_scratch(engine)), INSTALLED_SECONDS)
    horse = engine.horse("worker-1")
    engine.kill(engine.pid("worker-1"))
    engine.kill(horse)
    ended = engine.settle(run, INSTALLED_SECONDS)
    assert ended.state is RunState.FAILED, engine.told(ended)
    (again,) = retries.retry_failed(run.id, by=factories.BY)
    assert engine.settle(again, INSTALLED_SECONDS).state is RunState.SUCCEEDED, engine.told(again)
    assert _contents(engine, database) == before
    assert engine.answers(site)
    assert _scratch(engine) == []


def _scratch(engine: Engine) -> list[str]:
    family = f"{engine.fleet.layout.prefix}_scratch_"
    return [name for (name,) in engine.fleet.query("SHOW DATABASES") if name.startswith(family)]

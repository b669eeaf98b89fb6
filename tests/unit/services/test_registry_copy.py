"""Copies of the registry, taken and brought back, on every database."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import text

from siappakai.config import Settings
from siappakai.errors import RefusedError, SiapPakaiError
from siappakai.gateways.registry_copy import restore_registry, save_registry
from siappakai.models import User, db
from tests.databases import every_database
from tests.factories import make_site, make_user


def _url(registry: Flask) -> str:
    settings: Settings = registry.extensions["siappakai.settings"]
    return settings.registry_url


def _names() -> list[str]:
    return sorted(user.username for user in db.session.query(User))


@every_database
def test_a_registry_is_again_what_it_was(registry: Flask, tmp_path: Path):
    make_user("ketut")
    site = make_site()
    domain, copy = site.domain, tmp_path / "copy"
    db.session.commit()
    save_registry(_url(registry), copy)
    make_user("wayan")
    db.session.execute(text("CREATE TABLE planted (id integer primary key)"))
    db.session.execute(text("UPDATE sites SET domain = 'gone.example'"))
    db.session.commit()
    db.session.remove()
    db.engine.dispose()

    restore_registry(_url(registry), copy)

    assert _names() == ["ketut"]
    assert db.session.execute(text("SELECT domain FROM sites")).scalars().all() == [domain]
    tables = db.inspect(db.engine).get_table_names()
    assert "planted" not in tables
    assert "audit_entries" in tables
    with pytest.raises(Exception, match="audit"):
        db.session.execute(text("DELETE FROM audit_entries"))
    db.session.rollback()


@every_database
def test_a_copy_is_its_owners_alone_and_never_written_over(registry: Flask, tmp_path: Path):
    copy = tmp_path / "copy"
    save_registry(_url(registry), copy)

    assert copy.stat().st_mode & 0o777 == 0o600
    before = copy.read_bytes()
    with pytest.raises(SiapPakaiError, match="File exists"):
        save_registry(_url(registry), copy)
    assert copy.read_bytes() == before


def test_what_is_no_copy_is_not_brought_back(registry: Flask, tmp_path: Path):
    make_user("ketut")
    db.session.commit()
    with pytest.raises(SiapPakaiError, match="tidak ada"):
        restore_registry(_url(registry), tmp_path / "nothing")

    assert _names() == ["ketut"]


def test_another_database_is_refused_before_anything_is_done(tmp_path: Path):
    with pytest.raises(RefusedError, match="oracle"):
        save_registry("oracle://root@localhost/registry", tmp_path / "copy")
    assert list(tmp_path.iterdir()) == []


def test_a_password_is_neither_argument_nor_variable(tmp_path: Path, monkeypatch):
    """A stand-in for pg_dump tells how it was called, and reads the file it was pointed to."""
    told = tmp_path / "told"
    program = tmp_path / "pg_dump"
    program.write_text(
        f'#!/bin/sh\n{{ echo "$@"; env; }} > {told}\ncat "$PGPASSFILE" > {told}.file\nexit 1\n'
    )
    program.chmod(0o755)
    monkeypatch.setattr("siappakai.gateways.registry_copy._PATH", f"{tmp_path}:{os.defpath}")
    url = "postgresql+psycopg://siappakai:s3cr%3Aet@db.example/registry?sslmode=require"
    with pytest.raises(SiapPakaiError, match="pg_dump gagal"):
        save_registry(url, tmp_path / "copy")

    assert "s3cr" not in told.read_text()
    assert "sslmode=require" in told.read_text()
    assert Path(f"{told}.file").read_text() == "*:*:*:*:s3cr\\:et\n"
    assert not (tmp_path / "copy").exists()


@pytest.mark.parametrize("scheme", ["postgresql+psycopg", "mysql+pymysql"])
def test_a_program_that_is_not_installed_is_said_so(
    scheme: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("siappakai.gateways.registry_copy._PATH", str(tmp_path))
    with pytest.raises(SiapPakaiError, match="dump"):
        save_registry(f"{scheme}://siappakai:x@db.example/registry", tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


def test_a_damaged_copy_is_said_so(tmp_path: Path):
    live, copy = tmp_path / "live.sqlite3", tmp_path / "copy"
    with closing(sqlite3.connect(live)) as database:
        database.execute("CREATE TABLE villages (id INTEGER)")
    copy.write_bytes(b"SQLite format 3\0" + b"x" * 5000)
    with pytest.raises(SiapPakaiError, match="disalin"):
        restore_registry(f"sqlite:///{live}", copy)

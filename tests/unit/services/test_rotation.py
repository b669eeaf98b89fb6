"""A new key for every stored secret; whatever kills the change, all of them open."""

import multiprocessing
import os
import signal
import stat
from collections.abc import Callable

import pytest
from cryptography.fernet import Fernet
from flask import Flask
from sqlalchemy import select

from siappakai.credentials import load_key_ring, read_keys, write_key_ring
from siappakai.errors import ConflictError, SiapPakaiError
from siappakai.models import AuditEntry, Base, Site, User, db
from siappakai.models.app import current_settings
from siappakai.models.transactions import transaction
from siappakai.services import keys, rotation, site_secrets, sites, totp
from tests.databases import every_database
from tests.factories import BY, make_server, make_site, make_user, make_village

pytestmark = [every_database, pytest.mark.usefixtures("secrets")]

KILLED = -signal.SIGKILL


@pytest.fixture
def secrets(registry: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """One secret of every kind, and no waiting for others that write."""
    monkeypatch.setattr(rotation, "_SETTLE_SECONDS", 0)
    make_site()
    make_site()
    keys.public_key()
    totp.begin(make_user("ketut").id, by="ketut")


def _path():
    return current_settings().credentials_file


def _opened() -> list[str]:
    """Return every secret in clear, with the ring as it lies on disk."""
    db.session.rollback()
    db.session.expire_all()
    ring = load_key_ring(_path())
    rows = db.session.scalars(select(Site).order_by(Site.id)).all()
    texts = [
        sealed
        for site in rows
        for sealed in (site.db_password_sealed, site.app_key_sealed, site.admin_password_sealed)
    ]
    user = db.session.scalars(select(User)).one()
    return [*map(ring.unseal, [*texts, user.totp_sealed]), keys.private_key_text()]


def test_every_secret_is_sealed_anew_and_the_old_key_is_gone():
    before, old = _opened(), read_keys(_path())
    done = rotation.rotate_key(by=BY)

    assert (done.resealed, done.resumed) == (8, False)
    assert _opened() == before
    (new,) = read_keys(_path())
    assert new not in old
    assert stat.S_IMODE(_path().stat().st_mode) == 0o600
    assert [one.name for one in _path().parent.iterdir() if one.name.startswith(".cred")] == []
    entry = db.session.scalars(select(AuditEntry).order_by(AuditEntry.id.desc())).first()
    assert (entry.action, entry.detail["secrets"]) == ("key_ring.rotate", 8)
    assert new.decode() not in str(entry.detail)


def test_nothing_sealed_lies_outside_the_columns_that_are_sealed_anew():
    known = {(table.name, column.name) for table, cols in keys.sealed_columns() for column in cols}
    for table in Base.metadata.sorted_tables:
        for row in db.session.execute(select(table)).mappings():
            for name, value in row.items():
                if "gAAAA" in str(value) and (table.name, name) != ("settings", "value"):
                    assert (table.name, name) in known


def _rotate_and_die(app: Flask, where: str) -> None:
    """Rotate the key in a process that kills itself at `where`."""

    def die(*_: object, **__: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    with app.app_context():
        db.engine.dispose(close=False)
        if where == "before the registry":
            rotation._reseal_all = die  # noqa: SLF001 - the moment itself
        elif where == "inside the transaction":
            rotation._reseal_setting = die  # noqa: SLF001
        elif where == "at the commit":
            rotation.audit.record = die
        else:
            rotation.write_key_ring = _dying_at_the_second(die)
        rotation.rotate_key(by=BY)


def _dying_at_the_second(die: Callable[..., None]) -> Callable[..., None]:
    calls: list[int] = []

    def write(*arguments: object) -> None:
        calls.append(1)
        if len(calls) > 1:
            die()
        write_key_ring(*arguments)

    return write


@pytest.mark.parametrize(
    "where",
    ["before the registry", "inside the transaction", "at the commit", "before the old is dropped"],
)
def test_killed_at_any_moment_everything_opens_and_it_is_finished_later(
    registry: Flask, where: str
):
    before, old = _opened(), read_keys(_path())
    db.session.remove()
    db.engine.dispose()
    victim = multiprocessing.get_context("fork").Process(
        target=_rotate_and_die, args=(registry, where)
    )
    victim.start()
    victim.join()

    assert victim.exitcode == KILLED
    assert _opened() == before
    assert read_keys(_path())[1:] == old
    done = rotation.rotate_key(by=BY)
    assert (done.resealed, done.resumed) == (8, True)
    assert _opened() == before
    assert len(read_keys(_path())) == 1
    assert read_keys(_path()) != old


def test_a_secret_that_opens_with_no_key_changes_nothing():
    before = [site.db_password_sealed for site in db.session.scalars(select(Site))]
    with transaction() as session:
        session.scalars(select(User)).one().totp_sealed = (
            Fernet(Fernet.generate_key()).encrypt(b"foreign").decode()
        )
    with pytest.raises(SiapPakaiError, match="tidak dapat dibuka"):
        rotation.rotate_key(by=BY)
    db.session.expire_all()

    assert [site.db_password_sealed for site in db.session.scalars(select(Site))] == before
    assert len(read_keys(_path())) == 2


def test_two_at_once_are_not_let_in(monkeypatch: pytest.MonkeyPatch):
    def again(_: float) -> None:
        with pytest.raises(ConflictError):
            rotation.rotate_key(by=BY)

    monkeypatch.setattr(rotation.time, "sleep", again)
    assert rotation.rotate_key(by=BY).resealed == 8


def test_secrets_made_before_a_rotation_are_planned_after_it_with_the_key_there_is(
    monkeypatch: pytest.MonkeyPatch,
):
    early = site_secrets.new_secrets()
    old = read_keys(_path())
    site = None

    def plan(_: float) -> None:
        nonlocal site
        site = sites.plan_site(
            village=make_village(), server=make_server(), domain="x.id", secrets=early, by=BY
        )

    monkeypatch.setattr(rotation.time, "sleep", plan)
    assert rotation.rotate_key(by=BY).resealed == 11
    assert load_key_ring(_path()).unseal(site.app_key_sealed)
    assert read_keys(_path()) != old
    with pytest.raises(SiapPakaiError, match="tidak dapat dibuka"):
        sites.plan_site(
            village=make_village(), server=make_server(), domain="y.id", secrets=early, by=BY
        )

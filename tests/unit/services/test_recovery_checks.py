"""Doctor and alerts ask for what brings a lost panel back, until it is there."""

from datetime import timedelta

import pytest
from flask import Flask

from siappakai.config import Settings
from siappakai.credentials import open_text
from siappakai.domain.alerts import AlertKind, Severity
from siappakai.domain.recovery_kit import Kit
from siappakai.domain.registry_backups import name_of, newest_slot, taken_at_of
from siappakai.errors import InvalidInputError, RefusedError
from siappakai.models import RegistryCopy, Store, utc_now
from siappakai.models.transactions import transaction
from siappakai.services import (
    backup_keys,
    recovery_checks,
    recovery_kits,
    registry_backups,
    registry_findings,
    registry_turns,
    stores,
)
from siappakai.services.recovery_kits import KitState
from siappakai.services.schedules import here
from tests.factories import BY, make_release, make_site
from tests.unit.services.test_backups import make_store

pytestmark = pytest.mark.usefixtures("registry")
HOUR = timedelta(hours=1)


def looked() -> dict[str, bool]:
    return {check.name: check.ok for check in recovery_checks.look()}


def make_copy(store: Store, *, age: timedelta) -> None:
    taken = (utc_now() - age).replace(microsecond=0)
    with transaction() as session:
        name = name_of(taken, "00000000")
        row = RegistryCopy(store_id=store.id, name=name, taken_at=taken, checked_at=utc_now())
        row.size, row.sha256 = 1, "0" * 64
        session.add(row)


def test_the_doctor_asks_once_there_is_something_to_lose() -> None:
    assert looked() == {}
    make_site(release=make_release())
    assert looked() == {"registry_backup": False, "recovery_kit": False}
    make_copy(make_store(), age=timedelta())
    key, _ = backup_keys.make_recovery_key(by=BY)
    assert looked() == {"registry_backup": True, "recovery_kit": False}
    kit = Kit.read(open_text(recovery_kits.make(by=BY).text, key))
    recovery_kits.confirm(kit.number, by=BY)
    assert looked() == {"registry_backup": True, "recovery_kit": True}


def test_a_kit_is_outdated_by_each_thing_it_holds(registry: Flask) -> None:
    chosen: Settings = registry.extensions["siappakai.settings"]
    make_store()
    key, _ = backup_keys.make_recovery_key(by=BY)

    def confirmed() -> Kit:
        kit = Kit.read(open_text(recovery_kits.make(by=BY).text, key))
        assert recovery_kits.confirm(kit.number, by=BY).state is KitState.CONFIRMED
        return kit

    old = confirmed()
    assert old.key_ring == tuple(chosen.credentials_file.read_text().split())
    make_store("lain")
    assert recovery_kits.standing().state is KitState.OUTDATED
    with pytest.raises(InvalidInputError, match="bukan milik kit"):
        recovery_kits.confirm(old.number, by=BY)
    confirmed()
    stores.remove_store("lain", by=BY)
    assert recovery_kits.standing().state is KitState.OUTDATED
    confirmed()
    key, _ = backup_keys.make_recovery_key(replaces=True, by=BY)
    assert recovery_kits.standing().state is KitState.OUTDATED
    confirmed()


def test_no_kit_is_made_of_nothing() -> None:
    with pytest.raises(RefusedError, match="belum dapat dibuat"):
        recovery_kits.make(by=BY)


def test_an_alert_tells_of_a_registry_that_is_in_no_store_until_it_is() -> None:
    now = utc_now()
    assert list(registry_findings.look(now)) == []
    store = make_store()
    backup_keys.make_recovery_key(by=BY)
    assert list(registry_findings.look(now)) == [], "it may still be on its way"
    registry_turns.end("disk penuh")
    (found,) = registry_findings.look(now + 25 * HOUR)
    assert (found.kind, found.severity) == (AlertKind.REGISTRY_UNSAVED, Severity.WARNING)
    assert found.params == {"last": "", "failure": "disk penuh"}
    make_copy(store, age=timedelta())
    assert list(registry_findings.look(now)) == []
    (found,) = registry_findings.look(now + 100 * HOUR)
    assert found.severity is Severity.CRITICAL


def test_the_last_time_one_was_due_is_of_the_regencys_clocks() -> None:
    now = utc_now()
    slot = newest_slot(now, here(), 5)
    assert now - timedelta(days=1) <= slot <= now
    assert slot.astimezone(here()).hour == 5
    assert taken_at_of(name_of(slot, "0123abcd")) == slot
    assert taken_at_of("registry.age") is None
    assert registry_backups.due_stores(now) == []

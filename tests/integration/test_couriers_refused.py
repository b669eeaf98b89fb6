"""What one store, folder, file or server refuses keeps nothing else from being carried."""

from datetime import timedelta

import pytest

from siappakai.domain.backups import CopyState
from siappakai.domain.states import RunState
from siappakai.domain.stores import S3Place
from siappakai.errors import ConflictError, RefusedError
from siappakai.gateways.s3 import S3Vault
from siappakai.models import Backup, BackupCopy, Site, db, utc_now
from siappakai.models.transactions import transaction
from siappakai.services import backup_runs, store_pruning, stores
from siappakai.services.errands import stored_name
from tests.factories import BY, make_site
from tests.integration import test_couriers
from tests.integration.test_couriers import Carrier, details, states

pytestmark = [pytest.mark.integration, pytest.mark.patient]
site, carrier = test_couriers.site, test_couriers.carrier
STORED, WAITING, DELETED = CopyState.STORED, CopyState.WAITING, CopyState.DELETED


def expire(*gone: Backup) -> None:
    with transaction() as session:
        for backup in gone:
            session.get_one(Backup, backup.id).expired_at = utc_now()


def test_a_dead_server_holds_up_no_copy_from_store_to_store(carrier: Carrier, site: Site) -> None:
    carrier.buckets.add_store("satu")
    old = carrier.backup(site, days=1)
    carrier.carry()
    carrier.clear_spool(old)
    carrier.buckets.add_store("dua")
    new = [carrier.backup(site), carrier.backup(site)]
    carrier.spool.rename(carrier.spool.with_name("hidden"))
    with pytest.raises(Exception, match="gagal"):
        carrier.carry()
    assert states(old) == {"satu": STORED, "dua": STORED}
    assert all(states(one) == {"satu": WAITING, "dua": WAITING} for one in new)
    assert all(store.failing_since is None for store in stores.list_stores())
    carrier.spool.with_name("hidden").rename(carrier.spool)
    carrier.carry()
    assert all(states(one) == {"satu": STORED, "dua": STORED} for one in new)


def test_what_was_noted_while_a_store_was_added_is_brought_there_too(
    carrier: Carrier, site: Site
) -> None:
    for name in ("satu", "dua"):
        carrier.buckets.add_store(name)
    backup = carrier.backup(site)
    with transaction() as session:
        session.delete(session.get_one(BackupCopy, backup.copies[0].id))
    carrier.carry()
    assert states(backup) == {"satu": STORED, "dua": STORED}


def test_one_file_that_is_kept_back_keeps_no_other(carrier: Carrier, site: Site) -> None:
    carrier.buckets.add_store("satu")
    kept, gone = carrier.backup(site), carrier.backup(site)
    carrier.carry()
    expire(kept, gone)
    with carrier.buckets.forbidding_deletion("satu", stored_name(kept)):
        run = carrier.carry()
        assert states(gone) == {"satu": DELETED}
        assert states(kept) == {"satu": STORED}
        assert run.targets[0].state is RunState.FAILED
        assert kept.name in details(run)
        assert not stores.get_store("satu").is_append_only
        assert backup_runs.carry_on() == [], "it is not asked again at once"
        assert len(backup_runs.carry_on(utc_now() + timedelta(days=1, minutes=1))) == 1


def test_pruning_by_others_goes_on_past_what_is_kept_back(carrier: Carrier, site: Site) -> None:
    carrier.buckets.add_store("satu")
    kept, gone = carrier.backup(site), carrier.backup(site)
    carrier.carry()
    expire(kept, gone)
    pruner = store_pruning.Pruner("pemangkas", "rahasia lain")
    with (
        carrier.buckets.forbidding_deletion("satu", stored_name(kept)),
        pytest.raises(RefusedError, match=kept.name),
    ):
        store_pruning.prune(stores.get_store("satu"), pruner, by=BY)
    assert states(gone) == {"satu": DELETED}
    assert states(kept) == {"satu": STORED}


@pytest.fixture
def neighbour(site: Site) -> Site:
    return make_site(server=site.server, release=site.release)


def test_one_folder_that_is_not_shown_hides_no_other(
    carrier: Carrier, site: Site, neighbour: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    carrier.buckets.add_store("satu")
    hidden, lost = carrier.backup(site), carrier.backup(neighbour)
    carrier.carry()
    for backup in (hidden, lost):
        carrier.clear_spool(backup)
    closed = stored_name(hidden).partition("/")[0]
    carrier.buckets.delete("satu", stored_name(lost))
    real = S3Vault.sizes

    def refusing(vault: S3Vault, folder: str) -> dict[str, int]:
        if folder == closed:
            raise RefusedError("AccessDenied")
        return real(vault, folder)

    monkeypatch.setattr(S3Vault, "sizes", refusing)
    run = carrier.carry()
    assert states(hidden) == {"satu": STORED}
    assert states(lost) == {"satu": CopyState.MISSING}
    told = details(run)
    assert closed in told
    assert lost.name in told
    assert stores.get_store("satu").failing_since is None


def test_the_same_bucket_is_not_taken_for_a_second_store(carrier: Carrier, site: Site) -> None:
    first = carrier.buckets.add_store("satu")
    place = S3Place(**first.place)
    with pytest.raises(ConflictError, match="sama dengan “satu”"):
        stores.add_s3(name="dua", place=place, secret="rahasia", by=BY)
    assert [one.name for one in stores.list_stores()] == ["satu"]
    stores.remove_store("satu", by=BY)
    again = stores.add_s3(name="dua", place=place, secret="rahasia", by=BY)
    backup = carrier.backup(site)
    carrier.carry()
    assert states(backup) == {"dua": STORED}
    with transaction() as session:
        # As when another store's disk is mounted where this one's was.
        session.merge(again).mark = "0" * 32
    assert "bukan yang dahulu" in details(carrier.carry())
    assert db.session.get_one(type(again), again.id).failing_since is not None

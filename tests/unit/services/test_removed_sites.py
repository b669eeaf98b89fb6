"""A site that was removed is no site: it blocks neither its domain nor its village."""

import pytest

from siappakai.domain.backups import CopyState
from siappakai.domain.states import RunState, SiteState
from siappakai.errors import ConflictError, InvalidInputError, RefusedError
from siappakai.models import Run, Site, Target, db, utc_now
from siappakai.models.transactions import transaction
from siappakai.services import imports, outcomes, overview, sites, villages
from tests.factories import BY, make_release, make_run, make_site, make_village
from tests.unit.services.test_backups import make_backup, make_store

pytestmark = pytest.mark.usefixtures("registry")
HEADING = "kode_desa,nama_desa,nama_kecamatan,domain,server\n"


def removed(domain: str = "bajera.desa.id") -> tuple[Site, Run]:
    site = make_site(release=make_release(), domain=domain)
    run = make_run("remove", [site], state=RunState.SUCCEEDED)
    with transaction() as session:
        target = session.merge(run.targets[0])
        target.started_at = utc_now()
        outcomes.conclude(session, target, RunState.SUCCEEDED)
    return db.session.get_one(Site, site.id, populate_existing=True), run


def test_its_domain_is_free_for_another_village() -> None:
    gone, _run = removed("bajera.desa.id")
    other = make_village()
    assert make_site(other, domain="bajera.desa.id").domain == "bajera.desa.id"
    again = sites.plan_site(village=gone.village, server=gone.server, domain="lain.desa.id", by=BY)
    assert (again.id, again.domain, again.state) == (gone.id, "lain.desa.id", SiteState.PLANNED)


def test_an_import_may_take_its_domain() -> None:
    gone, _run = removed("bajera.desa.id")
    line = f"51.02.01.2900,Antap,Selemadeg,bajera.desa.id,{gone.server.name}\n"
    preview = imports.preview_import((HEADING + line).encode(), filename="a.csv", by=BY)
    assert preview.errors == []
    assert imports.apply_import(preview.id, by=BY).planned == 1


def test_its_village_is_listed_without_a_site_and_can_be_deleted() -> None:
    gone, run = removed()
    code = gone.village.code
    (row,) = villages.list_villages(state="none").items
    assert (row.village.code, row.site) == (code, None)
    with transaction():
        run.targets[0].state = RunState.FAILED
    villages.delete_village(code, by=BY)
    assert villages.find_village(code) is None
    kept = db.session.get_one(Target, run.targets[0].id, populate_existing=True)
    assert (kept.site_id, "bajera.desa.id" in kept.label) == (None, True)
    assert overview.standing_failures() == []


def test_its_village_stays_while_a_backup_of_it_can_be_restored() -> None:
    make_store()
    gone, _run = removed()
    backup = make_backup(gone)
    code = gone.village.code
    with pytest.raises(ConflictError, match="1 cadangan"):
        villages.delete_village(code, by=BY)
    assert villages.find_village(code) is not None
    with transaction():
        backup.copies[0].state = CopyState.DELETED
    villages.delete_village(code, by=BY)
    assert villages.find_village(code) is None


def test_its_village_stays_while_a_run_is_at_it() -> None:
    gone, _run = removed()
    make_run("remove", [gone], state=RunState.RUNNING)
    with pytest.raises(ConflictError, match="masih mengerjakan"):
        villages.delete_village(gone.village.code, by=BY)


def test_nothing_is_asked_of_it_any_more() -> None:
    gone, _run = removed()
    planned, living = make_site(make_village()), make_site(make_village(), release=make_release())
    with pytest.raises(RefusedError, match="Tidak ada situs terpasang"):
        sites.request_health(site_ids=[gone.id, planned.id], by=BY)
    (run,) = sites.request_health(site_ids=[gone.id, planned.id, living.id], by=BY)
    assert [target.site_id for target in run.targets] == [living.id]
    with pytest.raises(RefusedError, match="sudah dihapus"):
        sites.request_remove(site_ids=[gone.id, living.id], confirmed_count=2, by=BY)
    with pytest.raises(InvalidInputError, match="Yang akan dihapus 1"):
        sites.request_remove(site_ids=[living.id], confirmed_count=2, by=BY)

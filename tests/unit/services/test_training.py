"""Training copies as the registry knows them: whose they are, and what they are kept out of."""

from datetime import timedelta

import pytest
from flask import Flask

from playbooks.module_utils import training as in_village
from siappakai.credentials import load_key_ring
from siappakai.domain.backups import manifest_hash
from siappakai.domain.states import RunState, SiteState
from siappakai.errors import ConflictError, InvalidInputError, NotFoundError, RefusedError
from siappakai.models import Backup, OfficialVillage, Site, Village, db, utc_now
from siappakai.models.app import current_settings
from siappakai.models.transactions import transaction
from siappakai.services import (
    adoptions,
    backup_findings,
    backups,
    incoming,
    outcomes,
    schedule_actions,
    training,
    villages,
)
from siappakai.services.adoptions import Wish
from siappakai.services.training import Place
from tests.factories import BY, make_release, make_server, make_site, make_village
from tests.shaped import reference_map
from tests.unit.services.test_backups import make_backup, make_store
from tests.unit.services.test_restorations import KEY, plain_backup

AS = "5102012999"
IDENTITY = "AGE-SECRET-KEY-1" + "Q" * 58


@pytest.fixture
def source(registry: Flask) -> Site:
    make_store()
    return make_site(release=make_release(), state=SiteState.ACTIVE)


@pytest.fixture
def backup(source: Site) -> Backup:
    taken = make_backup(source)
    with transaction():
        taken.manifest = {"release": "v2410.0.0", "domain": source.domain}
    return taken


def place(site: Site, code: str = AS, domain: str = "latihan.desa.id") -> Place:
    return Place(code, "", site.server, domain)


def opened(backup: Backup, code: str) -> None:
    known = manifest_hash(backup.manifest)
    incoming.receive_backup(code, plain_backup(), backup_id=backup.id, manifest_sha256=known, by=BY)


def trainee(source: Site, code: str = AS) -> Village:
    return villages.register_village(code=code, name="Latihan", copy_of=source.village.code, by=BY)


def wish(source: Site) -> Wish:
    return Wish(source.server, "latihan.desa.id", make_release())


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"code": "5102012"}, InvalidInputError),
        ({"domain": "bukan domain"}, InvalidInputError),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_opened(
    source: Site, backup: Backup, changes: dict[str, str], refusal: type[Exception]
) -> None:
    with pytest.raises(refusal):
        training.request(backup, place(source, **changes), identity=IDENTITY, by=BY)
    db.session.rollback()
    assert [one.code for one in db.session.query(Village)] == [source.village.code]


def test_a_villages_own_code_is_never_that_of_a_copy(source: Site, backup: Backup) -> None:
    other = make_village("5102012077")
    with pytest.raises(ConflictError):
        training.request(backup, place(source, other.code), identity=IDENTITY, by=BY)
    with pytest.raises(ConflictError):
        training.request(backup, place(source, source.village.code), identity=IDENTITY, by=BY)
    with transaction() as session:
        session.add(
            OfficialVillage(
                code=AS, name="Resmi", district_code="510201", district_name="Selemadeg"
            )
        )
    with pytest.raises(InvalidInputError) as refused:
        training.request(backup, place(source), identity=IDENTITY, by=BY)
    assert refused.value.field == "kode_desa"
    assert training.free_code(source.village) == "51.02.01.2998"


def test_nothing_is_left_of_a_copy_whose_backup_cannot_be_opened(
    source: Site, backup: Backup
) -> None:
    """Its store does not answer here."""
    with pytest.raises(Exception, match=r".") as refused:
        training.request(backup, place(source), identity=IDENTITY, by=BY)
    assert not isinstance(refused.value, NotFoundError)
    db.session.rollback()
    assert villages.find_village(AS) is None
    assert incoming.digest_of(AS) == ""


def test_a_copy_has_a_key_and_a_login_of_its_own(source: Site, backup: Backup) -> None:
    village = trainee(source)
    opened(backup, AS)
    run = adoptions.request(village, wish(source), only_look=False, by=BY)
    assert adoptions.play_vars(run)["copied"] is True
    site = db.session.get_one(Site, run.targets[0].site_id)
    ring = load_key_ring(current_settings().credentials_file)
    assert ring.unseal(site.app_key_sealed) not in {KEY, ring.unseal(source.app_key_sealed)}
    with transaction():
        outcomes.conclude(db.session(), run.targets[0], RunState.SUCCEEDED)
    assert site.state is SiteState.ACTIVE
    assert site.admin_password_sealed, "the copy's login is the panel's to show"


def test_another_villages_backup_becomes_no_village(source: Site, backup: Backup) -> None:
    other = make_village()
    opened(backup, other.code)
    with pytest.raises(RefusedError, match="bukan milik"):
        adoptions.request(other, wish(source), only_look=False, by=BY)


def test_its_own_backup_brings_back_a_copy_as_it_was(source: Site) -> None:
    village = trainee(source)
    site = make_site(village)
    opened(make_backup(site), AS)
    run = adoptions.request(village, wish(source), only_look=False, by=BY)
    assert adoptions.play_vars(run)["copied"] is False


def test_a_copy_is_not_backed_up_by_itself_and_missed_by_nobody(source: Site) -> None:
    old = utc_now() - timedelta(days=9)
    copy = make_site(
        trainee(source), release=make_release(), state=SiteState.ACTIVE, installed_at=old
    )
    assert backups.all_site_ids() == [source.id]
    take = schedule_actions.ACTIONS["backup"].on_server
    other = make_server()
    with transaction():
        copy.server_id = other.id
    assert take(other, "", BY) == []
    assert list(backup_findings.look(utc_now())) == []


def test_whatever_must_not_leave_a_village_is_not_in_a_copy() -> None:
    """The map of what does not reach the gabungan, and what a copy is made without."""
    facts = reference_map()
    told_elsewhere = {"user": {"password", "session"}, "config": {"app_key"}}
    for table, columns in facts.secrets.items():
        known = set(in_village.BLANKED[table]) | told_elsewhere.get(table, set())
        assert set(columns) <= known, table
    tokens = {name for name, why in facts.left_out.items() if "token" in why or "secret" in why}
    assert tokens <= set(in_village.EMPTIED)
    assert set(facts.secret_settings.split("|")) <= set(in_village.OPENING_SETTINGS.split("|"))

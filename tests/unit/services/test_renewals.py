"""Database passwords are renewed by installing sites anew, at the release each has."""

import pytest

from siappakai.domain.states import RunState, SiteState
from siappakai.errors import ConflictError, RefusedError
from siappakai.models import AuditEntry, Run, db
from siappakai.services import renewals
from siappakai.services.site_secrets import unsealed
from tests.factories import BY, make_release, make_run, make_site

pytestmark = pytest.mark.usefixtures("registry")


def test_sites_get_passwords_of_their_own_and_runs_at_their_releases():
    older, newer = make_release("v2409.0.0"), make_release("v2410.0.0")
    sites = [make_site(release=older), make_site(release=newer), make_site(release=newer)]
    before = {site.id: site.db_password_sealed for site in sites}

    runs = renewals.renew_db_passwords(site_ids=[site.id for site in sites], by=BY)

    assert {(run.play, run.options["release_id"]) for run in runs} == {
        ("install", older.id),
        ("install", newer.id),
    }
    new = [unsealed(site.db_password_sealed) for site in sites]
    assert len({*new, *map(unsealed, before.values())}) == 6
    assert {len(password) for password in new} == {80}
    assert sites[0].state is SiteState.ACTIVE
    told = db.session.query(AuditEntry).filter_by(action="site.renew_db_password").all()
    assert {entry.subject for entry in told} == {site.village.code for site in sites}


def test_what_is_not_installed_or_busy_keeps_its_password():
    planned, busy = make_site(), make_site(release=make_release())
    make_run("health", [busy], state=RunState.QUEUED)
    idle = make_site(release=busy.release)
    before = [site.db_password_sealed for site in (planned, busy, idle)]

    with pytest.raises(RefusedError, match="belum terpasang"):
        renewals.renew_db_passwords(site_ids=[idle.id, planned.id], by=BY)
    with pytest.raises(ConflictError):
        renewals.renew_db_passwords(site_ids=[idle.id, busy.id], by=BY)

    db.session.expire_all()
    assert [site.db_password_sealed for site in (planned, busy, idle)] == before
    assert db.session.query(Run).count() == 1

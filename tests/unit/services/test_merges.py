"""The gabungan in the registry: who has which place in it, and what is told of it."""

from pathlib import Path

import pytest
import yaml
from flask import Flask
from sqlalchemy import select

from siappakai.ansible.events import TaskEnded, read_event
from siappakai.domain.consent import GROUPS
from siappakai.domain.states import RunState
from siappakai.errors import ConflictError, InvalidInputError, NotFoundError, RefusedError
from siappakai.models import AuditEntry, Run, Site, db
from siappakai.models.transactions import transaction
from siappakai.services import (
    consents,
    hosts,
    leases,
    merge_notes,
    merge_vars,
    merges,
    narrowing,
    retries,
    schedule_actions,
    villages,
    withdrawals,
)
from tests import factories
from tests.factories import BY

pytestmark = pytest.mark.usefixtures("registry")

REFERENCES = Path(__file__).parents[3] / "playbooks/references.yml"


def make() -> Run:
    """Ask for a gabungan, and have it made."""
    run = merges.request_create(
        server=factories.make_server(),
        release=factories.make_release(),
        changes=["kesehatan=masked"],
        all_as="full",
        document="470/1/2026",
        by=BY,
    )
    with transaction() as session:
        merge_notes.note(session, run.id, {"unknown": []})
    return run


def members() -> list[tuple[int, int, int]]:
    return [(one.id, one.slot, one.slots) for one in merges.list_members()]


def sites(count: int) -> list[Site]:
    return [factories.make_site(release=factories.make_release()) for _ in range(count)]


def ask(chosen: list[Site]) -> Run:
    return merges.request_merge(site_ids=[one.id for one in chosen], whole=False, by=BY)


def test_groups_are_those_of_the_reference_map() -> None:
    known = set(yaml.safe_load(REFERENCES.read_text())["groups"])
    assert known == {"acuan", *GROUPS}


def test_there_is_one_gabungan_and_it_says_what_is_shared() -> None:
    make()
    gabungan = merges.get_gabungan()
    assert gabungan.made_at is not None
    village = factories.make_village()
    assert consents.of_village(village).shares == {
        **dict.fromkeys(GROUPS, "full"),
        "kesehatan": "masked",
    }
    with pytest.raises(ConflictError):
        merges.request_create(
            server=factories.make_server("lain"),
            release=factories.make_release(),
            changes=[],
            all_as="full",
            document="x",
            by=BY,
        )


@pytest.mark.parametrize(
    ("changes", "all_as", "document"),
    [
        ([], "full", " "),
        (["kesehatan=full"], None, "470"),
        (["kesehatan=open"], "full", "470"),
        (["unheard=full"], "full", "470"),
    ],
)
def test_an_unclear_consent_makes_nothing(
    changes: list[str], all_as: str | None, document: str
) -> None:
    with pytest.raises(InvalidInputError):
        merges.request_create(
            server=factories.make_server(),
            release=factories.make_release(),
            changes=changes,
            all_as=all_as,
            document=document,
            by=BY,
        )
    with pytest.raises(NotFoundError):
        merges.get_gabungan()


def test_a_place_is_given_once_and_for_ever() -> None:
    make()
    chosen = sites(2)
    ask(chosen)
    ask([*chosen, *sites(1)])
    assert members() == [(1, 0, 1), (2, 1, 1), (3, 2, 1)]


def test_a_village_on_another_server_is_refused_and_gets_no_place() -> None:
    make()
    far = factories.make_site(server=factories.make_server("far"), release=factories.make_release())
    with pytest.raises(RefusedError):
        ask([far])
    assert members() == []


def test_nothing_is_merged_while_paused() -> None:
    make()
    merges.pause(is_paused=True, by=BY)
    with pytest.raises(RefusedError):
        ask(sites(1))


def test_what_a_village_decides_is_a_version_of_its_own_and_audited() -> None:
    make()
    site = sites(1)[0]
    decided = consents.decide(
        village=site.village, changes=["surat=withheld"], document="471", by=BY
    )
    told = merge_vars.play_vars(ask([site]))["gabungan"]
    place = told["places"][f"opensid-{site.village.code}"]
    assert place["shares"]["surat"] == "withheld"
    assert place["shares"]["kesehatan"] == "masked"
    entry = db.session.query(AuditEntry).filter_by(action="consent.decide").all()[-1]
    assert entry.subject == site.village.code
    assert entry.detail["version"] == decided.id


def test_the_key_of_pseudonyms_is_sealed_and_sent_to_the_merge_alone() -> None:
    run = make()
    key = merge_vars.play_vars(ask(sites(1)))["gabungan"]["key"]
    assert len(bytes.fromhex(key)) == 32
    assert key not in merges.get_gabungan().key_sealed
    assert "key" not in merge_vars.play_vars(merges.request_verify(by=BY))["gabungan"]
    assert run.play == "gabungan"


def test_what_was_merged_is_noted_and_what_fails_says_why() -> None:
    make()
    one, two = sites(2)
    run = ask([one, two])
    report = {
        "state": "merged",
        "tables": {"artikel": [3, 2, "sent"]},
        "statistics": {"penduduk": 7},
    }
    failed = {"state": "failed", "message": "no", "slots": 3}
    told = {f"opensid-{one.village.code}": report, f"opensid-{two.village.code}": failed}
    with transaction() as session:
        merge_notes.note(session, run.id, {**told, "opensid-9999999999": report})
    first, second = merges.list_members()
    assert (first.rows, first.message, first.merged_at is None) == (2, "", False)
    assert (second.slot, second.slots, second.message) == (2, 3, "no")
    assert merges.get_gabungan().next_slot == 5
    for slots in (51, 50):
        merges.get_gabungan().next_slot = 470
        with transaction() as session:
            told = {f"opensid-{two.village.code}": {**failed, "slots": slots}}
            merge_notes.note(session, run.id, told)
        assert (second.slots, str(slots) in second.message) == (3, True)


def test_a_village_newer_than_the_gabungan_waits_and_keeps_what_is_merged_of_it() -> None:
    make()
    (site,) = sites(1)
    host, run = f"opensid-{site.village.code}", ask([site])
    report = {"state": "merged", "tables": {"artikel": [3, 2, "sent"]}, "statistics": {}}
    waiting = {"state": "waiting", "village": 2024110101, "gabungan": 2024100101}
    (member,) = merges.list_members()
    for told in (report, waiting):
        with transaction() as session:
            merge_notes.note(session, run.id, {host: told})
    assert "2024110101" in member.waits_for
    assert (member.rows, member.message, member.merged_at is None) == (2, "", False)
    with transaction() as session:
        merge_notes.note(session, run.id, {host: {"state": "unchanged"}})
    assert member.waits_for == ""


def test_what_is_shared_no_more_is_deleted_by_a_run_of_its_own_and_shown_until_then() -> None:
    make()
    one, two = sites(2)
    full = dict.fromkeys(GROUPS, "full")
    report = {"state": "merged", "tables": {"kia": [3, 3, "sent"]}, "statistics": {}}
    hosts = [f"opensid-{site.village.code}" for site in (one, two)]
    with transaction() as session:
        told = {host: {**report, "shares": full} for host in hosts}
        merge_notes.note(session, ask([one, two]).id, told)
    first, second = merges.list_members()
    assert narrowing.too_much_of(first) == ["kesehatan"]
    merges.pause(is_paused=True, by=BY)
    _, asked = narrowing.decide(
        village=one.village, changes=["surat=withheld", "kesehatan=full"], document="471", by=BY
    )
    (run,) = asked
    assert run.play == "narrow"
    code = one.village.code
    shares = merge_vars.play_vars(run)["gabungan"]["shares"]
    assert shares[code]["surat"] == "withheld"
    assert shares[two.village.code]["kesehatan"] == "masked"
    assert narrowing.too_much_of(first) == ["surat"]
    with transaction() as session:
        told = {"rows": 2, "shares": shares[code]}
        merge_notes.note(session, run.id, {code: told, "5109999999": {**told, "rows": 4}})
    assert (narrowing.too_much_of(first), first.rows) == ([], 1)
    assert narrowing.too_much_of(second) == ["kesehatan"]


def test_what_is_shared_no_more_is_merged_anew_unless_merging_is_paused() -> None:
    make()
    (site,) = sites(1)
    report = {"state": "merged", "tables": {}, "statistics": {}, "shares": {"surat": "full"}}
    with transaction() as session:
        merge_notes.note(session, ask([site]).id, {f"opensid-{site.village.code}": report})
    kept, more = narrowing.decide(village=None, changes=["surat=full"], document="472", by=BY)
    assert (kept.shares["surat"], more) == ("full", [])
    _, asked = narrowing.decide(village=None, changes=["surat=masked"], document="473", by=BY)
    assert [run.play for run in asked] == ["narrow", "merge"]


def test_what_is_deleted_goes_by_the_newest_decision_also_when_asked_again() -> None:
    make()
    (site,) = sites(1)
    report = {"state": "merged", "tables": {}, "statistics": {}}
    with transaction() as session:
        merge_notes.note(session, ask([site]).id, {f"opensid-{site.village.code}": report})
    _, (run, *_) = narrowing.decide(village=None, changes=["surat=masked"], document="4", by=BY)
    consents.decide(village=None, changes=["surat=withheld"], document="5", by=BY)
    with transaction():
        run.state = run.targets[0].state = RunState.FAILED
    (again,) = retries.retry_failed(run.id, by=BY)
    for one in (run, again):
        shares = merge_vars.play_vars(one)["gabungan"]["shares"][site.village.code]
        assert shares["surat"] == "withheld"


def test_what_was_withdrawn_while_a_first_merge_ran_is_deleted_after_it() -> None:
    make()
    (site,) = sites(1)
    merging = ask([site])
    _, asked = narrowing.decide(village=None, changes=["surat=withheld"], document="474", by=BY)
    assert asked == [], "there is nothing to delete yet"
    shares = dict.fromkeys(GROUPS, "withheld") | {"surat": "full"}
    report = {"state": "merged", "tables": {}, "statistics": {}, "shares": shares}
    with transaction() as session:
        merge_notes.note(session, merging.id, {f"opensid-{site.village.code}": report})
    plays = db.session.scalars(select(Run.play).where(Run.id > merging.id).order_by(Run.id))
    assert list(plays) == ["narrow", "merge"]


def test_a_village_that_leaves_keeps_its_place() -> None:
    make()
    chosen = sites(2)
    ask(chosen)
    leaving = chosen[0].village
    with pytest.raises(InvalidInputError):
        withdrawals.request_withdraw(villages=[leaving], confirmed_count=2, by=BY)
    run = withdrawals.request_withdraw(villages=[leaving], confirmed_count=1, by=BY)
    with transaction() as session:
        merge_notes.note(session, run.id, {leaving.code: 700})
    assert merges.list_members()[0].withdrawn_at is not None
    ask(sites(1))
    assert members() == [(1, 0, 1), (2, 1, 1), (3, 2, 1)]
    assert chosen[0].id not in merges.merge_site_ids()
    with pytest.raises(RefusedError, match="dikeluarkan"):
        ask([chosen[0]])
    consents.decide(village=None, changes=[], all_as="full", document="471/1/2026", by=BY)
    with pytest.raises(RefusedError, match="dikeluarkan"):
        ask([chosen[0]])
    consents.decide(village=leaving, changes=[], all_as="full", document="471/2/2026", by=BY)
    assert chosen[0].id in merges.merge_site_ids()
    ask([chosen[0]])


def test_a_release_that_nobody_mapped_makes_no_gabungan() -> None:
    with pytest.raises(RefusedError, match=r"v2409\.0\.0"):
        merges.request_create(
            server=factories.make_server(),
            release=factories.make_release("v2409.0.0"),
            changes=[],
            all_as="full",
            document="470/1/2026",
            by=BY,
        )
    with pytest.raises(NotFoundError):
        merges.get_gabungan()


def test_a_merge_asked_for_before_a_village_was_to_leave_does_not_bring_it_back() -> None:
    """From the moment it is asked for; the other villages of that merge are merged."""
    make()
    leaving, staying = chosen = sites(2)
    merging = ask(chosen)
    withdrawals.request_withdraw(villages=[leaving.village], confirmed_count=1, by=BY)
    places = merge_vars.play_vars(merging)["gabungan"]["places"]
    assert list(places) == [f"opensid-{staying.village.code}"]
    for site in chosen:
        site.db_password_sealed = site.app_key_sealed = ""
    cast = hosts.hosts_of(merging, merging.targets, is_shipped=False)
    (target,) = (one for one in merging.targets if one.site_id == leaving.id)
    assert "dikeluarkan" in cast.unfit[target.id]


def test_what_an_older_merge_tells_of_a_village_that_left_is_not_believed() -> None:
    make()
    (site,) = sites(1)
    merging, code = ask([site]), site.village.code
    purge = withdrawals.request_withdraw(villages=[site.village], confirmed_count=1, by=BY)
    (member,) = merges.list_members()
    assert merge_vars.play_vars(purge)["gabungan"]["places"] == {
        code: {"config_id": 1, "slot": 0, "slots": 1}
    }
    report = {"state": "merged", "tables": {"kia": [3, 3, "sent"]}, "statistics": {}}
    with transaction() as session:
        merging.token, purge.token = 10, 11
        # It was merged in time: it is there, and still to leave.
        merge_notes.note(session, merging.id, {f"opensid-{code}": report})
    assert (member.rows, member.withdrawn_at is None) == (3, False)
    for _ in range(2):
        with transaction() as session:
            merge_notes.note(session, purge.id, {code: 3})
            merge_notes.note(session, merging.id, {f"opensid-{code}": report})
        assert (member.rows, member.merged_at, member.left_token) == (0, None, 11)


def test_what_may_not_be_there_any_more_waits_for_no_place() -> None:
    make()
    (site,) = sites(1)
    ask([site])
    merges.get_gabungan().server.parallelism = 1
    runs_ = [
        merges.request_verify(by=BY),
        withdrawals.request_withdraw(villages=[site.village], confirmed_count=1, by=BY),
    ]
    busy = factories.make_run(play="health", state=RunState.RUNNING)
    assert busy.server_id == site.server_id
    assert [leases.claim(one.id) is not None for one in runs_] == [False, True]


def test_a_recovered_registry_takes_over_the_places_that_the_gabungan_tells() -> None:
    make()
    one, two = sites(2)
    run = ask([one, two])

    def told(site: Site, place: object) -> dict[str, object]:
        params = {"place": place, "free": {"config_id": 8, "slot": 9}}
        error = {"code": "wrong_slot", "params": params}
        return {f"opensid-{site.village.code}": {"state": "failed", "error": error}}

    with transaction() as session:
        place = {"config_id": 2, "slot": 3, "slots": 2}
        merge_notes.note(session, run.id, told(one, place))
    assert {m.village_id: (m.id, m.slot, m.slots) for m in merges.list_members()} == {
        one.village_id: (2, 3, 2),
        two.village_id: (8, 9, 1),
    }
    with transaction() as session:
        merge_notes.note(session, run.id, told(two, None))
    assert members() == [(2, 3, 2), (9, 10, 1)]
    with transaction() as session:
        merge_notes.note(session, run.id, told(two, {**place, "slot": 499}))
    assert members() == [(2, 3, 2), (9, 10, 1)]


@pytest.mark.parametrize("play", ["gabungan", "verify", "withdraw"])
def test_what_failed_on_the_gabungans_server_is_asked_for_again(play: str, registry: Flask) -> None:
    run = make()
    if play == "verify":
        run = merges.request_verify(by=BY)
    elif play == "withdraw":
        chosen = sites(1)
        ask(chosen)
        run = withdrawals.request_withdraw(villages=[chosen[0].village], confirmed_count=1, by=BY)
    with transaction():
        run.state = run.targets[0].state = RunState.FAILED
    (again,) = retries.retry_failed(run.id, by=BY)
    assert (again.play, again.options, again.retry_of_id) == (play, run.options, run.id)


def test_what_a_play_tells_of_the_gabungan_reaches_it_item_by_item() -> None:
    event = {
        "event": "runner_item_on_ok",
        "event_data": {
            "host": "server-1",
            "task_action": "gabungan_merge",
            "res": {
                "reported": {"opensid-5102012001": {"failed": False, "steps": []}},
                "gabungan_told": {"opensid-5102012001": {"state": "unchanged"}},
            },
        },
    }
    meaning = read_event(event)
    assert isinstance(meaning, TaskEnded)
    assert meaning.gabungan == {"opensid-5102012001": {"state": "unchanged"}}
    assert not meaning.reports["opensid-5102012001"].failed


def test_a_training_copy_is_never_merged() -> None:
    make()
    (real,) = chosen = sites(1)
    copy = factories.make_site(
        villages.register_village(
            code="5102012999", name="Latihan", copy_of=real.village.code, by=BY
        ),
        release=factories.make_release(),
    )
    assert merges.merge_site_ids() == [real.id]
    with pytest.raises(RefusedError, match="salinan latihan"):
        ask([*chosen, copy])
    assert members() == []


def test_a_schedule_merges_and_verifies_where_the_gabungan_is() -> None:
    actions = schedule_actions.ACTIONS
    make()
    server = merges.get_gabungan().server
    merge, verify = (actions[one].on_server for one in ("merge", "verify"))
    assert merge(server, "", BY) == []
    first, second = sites(2)
    other = factories.make_server("lain")
    assert [merge(other, "", BY), verify(other, "", BY)] == [[], []]
    (run,) = merge(server, "", BY)
    assert {target.site_id for target in run.targets} == {first.id, second.id}
    assert merge(server, "5199999", BY) == []
    withdrawals.request_withdraw(villages=[first.village], confirmed_count=1, by=BY)
    (run,) = merge(server, "", BY)
    assert [target.site_id for target in run.targets] == [second.id]
    assert [one.play for one in verify(server, "", BY)] == ["verify"]
    merges.pause(is_paused=True, by=BY)
    assert merge(server, "", BY) == []


def test_a_schedule_without_a_gabungan_does_nothing() -> None:
    server = factories.make_server()
    for name in ("merge", "verify"):
        assert schedule_actions.ACTIONS[name].on_server(server, "", BY) == []

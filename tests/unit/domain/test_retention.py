"""No rule ever takes what a village could not do without."""

from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from siappakai.domain.retention import Kept, Policy, Reason, judge
from siappakai.errors import InvalidInputError

START = datetime(2026, 11, 22, 2)  # noqa: DTZ001 - on the regency's clocks
POLICY = Policy(daily=7, weekly=4, monthly=6, yearly=2)


def nightly(count: int, **fields: bool) -> list[Kept]:
    return [Kept(night, START - timedelta(days=night), **fields) for night in range(count)]


def backups() -> st.SearchStrategy[list[Kept]]:
    one = st.tuples(
        st.integers(0, 24 * 900), st.booleans(), st.booleans(), st.sampled_from([0, 0, 0, 1])
    )
    return st.lists(one, max_size=60).map(
        lambda rows: [
            Kept(
                number,
                START - timedelta(hours=hours),
                is_proven=proven and not damaged,
                is_held=held and number % 7 == 0,
                is_damaged=bool(damaged),
            )
            for number, (hours, proven, held, damaged) in enumerate(rows)
        ]
    )


policies = st.builds(Policy, *[st.integers(0, 20)] * 4)


@given(backups(), policies)
def test_what_a_village_cannot_do_without_always_stays(rows: list[Kept], policy: Policy) -> None:
    reasons = judge(rows, policy)
    assert set(reasons) == {one.id for one in rows}
    gone = [one for one in rows if reasons[one.id].may_go]
    assert not any(one.is_held for one in gone)
    stays = [one for one in rows if not reasons[one.id].may_go]
    assert bool(stays) == bool(rows)
    proven = sorted((one for one in rows if one.is_proven), key=lambda one: one.taken_at)
    if proven:
        newest = proven[-1].taken_at
        assert any(one.is_proven and one.taken_at == newest for one in stays)
    else:
        assert not gone


@given(backups(), policies)
def test_pruning_twice_takes_no_more_than_once(rows: list[Kept], policy: Policy) -> None:
    reasons = judge(rows, policy)
    left = [one for one in rows if not reasons[one.id].may_go]
    again = judge(left, policy)
    assert [one.id for one in left if again[one.id].may_go] == []


@given(backups(), policies, st.sampled_from(["daily", "weekly", "monthly", "yearly"]))
def test_a_longer_policy_keeps_all_that_a_shorter_one_keeps(
    rows: list[Kept], policy: Policy, field: str
) -> None:
    fields = {name: getattr(policy, name) for name in ("daily", "weekly", "monthly", "yearly")}
    longer = judge(rows, Policy(**{**fields, field: fields[field] + 1}))
    assert all(
        longer[id_].may_go is False for id_, why in judge(rows, policy).items() if not why.may_go
    )


def test_two_years_of_nights_become_days_weeks_months_and_years() -> None:
    reasons = judge(nightly(800, is_proven=True), POLICY)
    kept = [id_ for id_, why in reasons.items() if not why.may_go]
    assert kept[:7] == list(range(7))
    assert len(kept) <= 7 + 4 + 6 + 2
    assert reasons[0] is Reason.NEWEST
    assert all(later > earlier for earlier, later in pairwise(kept))
    assert max(kept) >= 321, "the last night of the year before is kept"


def test_of_a_day_the_proven_one_is_kept() -> None:
    morning = Kept(1, START, is_proven=True)
    noon = Kept(2, START + timedelta(hours=10))
    newest = Kept(3, START + timedelta(days=1), is_proven=True)
    reasons = judge([morning, noon, newest], POLICY)
    assert reasons == {1: Reason.DAILY, 2: Reason.EXPIRED, 3: Reason.NEWEST}


def test_the_last_proven_one_outlives_all_rules() -> None:
    old = Kept(99, START - timedelta(days=5000), is_proven=True)
    reasons = judge([*nightly(50), old], POLICY)
    assert reasons[99] is Reason.LAST_PROVEN


def test_what_is_damaged_goes_once_there_is_better() -> None:
    damaged = Kept(1, START, is_damaged=True)
    assert judge([damaged], POLICY) == {1: Reason.ONLY_ONE}
    proven = Kept(2, START + timedelta(days=1), is_proven=True)
    assert judge([damaged, proven], POLICY)[1] is Reason.DAMAGED


@pytest.mark.parametrize("field", ["daily", "weekly", "monthly", "yearly"])
def test_a_policy_names_the_number_it_cannot_have(field: str) -> None:
    given_ = {"daily": 1, "weekly": 1, "monthly": 1, "yearly": 1, field: -1}
    with pytest.raises(InvalidInputError) as refused:
        Policy(**given_).checked()
    assert refused.value.field == field

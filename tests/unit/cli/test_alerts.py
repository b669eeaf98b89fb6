"""`siappakai alert` and `siappakai channel`."""

import pytest
from sqlalchemy import select

from siappakai.domain.alerts import AlertKind, Finding, Severity
from siappakai.models import Channel, Delivery, db, utc_now
from siappakai.services import alerts, channels
from tests.factories import BY

TOKEN = "hemlig-token-4711"
ADDRESS = f"json://127.0.0.1:9/{TOKEN}\n"
QUEUE = Finding(AlertKind.QUEUE_DOWN, "queue", "Redis", Severity.CRITICAL, "1")
STUCK = Finding(
    AlertKind.RUN_FAILED,
    "server:1:install",
    "server1",
    Severity.WARNING,
    "run 4",
    {"play": "install", "failed": 2, "run": 4, "first": 4},
)


@pytest.fixture
def both(siappakai) -> list[int]:
    alerts.reconcile([QUEUE, STUCK], utc_now())
    return sorted(one.id for one in alerts.list_alerts().items)


def test_alerts_are_listed_and_filtered(siappakai, both: list[int]):
    found = siappakai("alert", "list", "--json").json
    assert {one["title"] for one in found["items"]} == {
        "Antrean (Redis) tidak menjawab",
        "Pekerjaan gagal: Pasang situs desa di server1",
    }
    assert siappakai("alert", "list", "--severity", "critical", "--json").json["total"] == 1
    assert siappakai("alert", "list", "--state", "ended", "--json").json["total"] == 0


def test_an_alert_is_shown_with_its_meaning_and_messages(siappakai, both: list[int]):
    siappakai("channel", "add", "Tim TI", "--address-stdin", stdin=ADDRESS)
    alerts.reconcile([], utc_now())
    alerts.reconcile([QUEUE], utc_now())
    number = max(one.id for one in alerts.list_alerts().items)
    shown = siappakai("alert", "show", str(number), "--json").json
    assert "layanan Redis" in shown["todo"]
    assert [one["channel"] for one in shown["deliveries"]] == ["Tim TI"]
    assert "Tim TI" in siappakai("alert", "show", str(number)).out
    assert siappakai("alert", "show", "99").exit_code == 3


def test_alerts_are_acknowledged_by_number_or_all(siappakai, both: list[int]):
    rehearsed = siappakai("alert", "acknowledge", str(both[0]), "--dry-run")
    assert rehearsed.exit_code == 0
    assert alerts.count_open() == 2
    siappakai("alert", "acknowledge", str(both[0]))
    assert alerts.count_open() == 1
    left = siappakai("alert", "acknowledge", "--all", "--json").json
    assert [one["id"] for one in left["items"]] == [both[1]]
    assert left["items"][0]["acknowledged_by"].startswith("cli:")


@pytest.mark.parametrize("words", [(), ("1", "--all"), ("1", "--severity", "info")])
def test_what_is_meant_must_be_said(siappakai, both: list[int], words: tuple[str, ...]):
    assert siappakai("alert", "acknowledge", *words).exit_code == 2
    assert alerts.count_open() == 2


def test_a_channel_from_its_beginning_to_its_end(siappakai):
    added = siappakai(
        *("channel", "add", "Tim TI", "--address-stdin", "--severity", "info"),
        *("--quiet-from", "22:00", "--quiet-until", "06:00", "--critical-waits", "--json"),
        stdin=ADDRESS,
    )
    assert added.json == {"name": "Tim TI", "signing_key": None}
    shown = siappakai("channel", "show", "Tim TI", "--json")
    assert TOKEN not in shown.out
    assert shown.json["scheme"] == "json"
    assert (shown.json["quiet_from"], shown.json["critical_passes"]) == ("22:00", False)
    words = ("channel", "update", "Tim TI", "--name", "Jaga", "--critical-passes", "--json")
    updated = siappakai(*words).json
    assert (updated["name"], updated["critical_passes"]) == ("Jaga", True)
    siappakai("channel", "disable", "Jaga")
    assert not channels.find_channel("Jaga").is_enabled
    siappakai("channel", "enable", "Jaga")
    assert siappakai("channel", "remove", "Jaga").exit_code == 5
    siappakai("channel", "remove", "Jaga", "--yes")
    assert siappakai("channel", "list", "--json").json["items"] == []


def test_what_is_not_given_stays(siappakai):
    siappakai(
        *("channel", "add", "Jaga", "--address-stdin", "--quiet-from", "22:00"),
        *("--quiet-until", "06:00", "--severity", "critical"),
        stdin=ADDRESS,
    )
    siappakai("channel", "update", "Jaga", "--severity", "info")
    found = channels.find_channel("Jaga")
    assert (found.least_severity, found.quiet_from) == (Severity.INFO, "22:00")
    before = found.address_sealed
    siappakai("channel", "update", "Jaga", "--address-stdin", stdin="ntfys://topik-jaga\n")
    found = channels.find_channel("Jaga")
    assert found.scheme == "ntfys"
    assert found.address_sealed != before
    siappakai("channel", "update", "Jaga", "--quiet-from", "", "--quiet-until", "")
    assert channels.find_channel("Jaga").quiet_until == ""


def test_a_webhook_shows_its_key_once(siappakai):
    words = ("channel", "add", "Pusat", "--webhook", "--address-stdin", "--json")
    key = siappakai(*words, stdin="https://jaga.example/pesan\n").json["signing_key"]
    assert len(key) > 40
    assert key not in siappakai("channel", "show", "Pusat", "--json").out
    again = siappakai("channel", "renew-key", "Pusat", "--yes", "--json").json["signing_key"]
    assert again != key


def test_an_address_is_never_taken_from_the_words_of_a_command(siappakai):
    assert siappakai("channel", "add", "Jaga").exit_code == 2
    refused = siappakai("channel", "add", "Jaga", "--address-stdin", "--json", stdin="exec://x\n")
    assert refused.error["field"] == "address"
    assert db.session.scalars(select(Channel)).all() == []


def test_a_test_is_only_rehearsed(siappakai):
    siappakai("channel", "add", "Tim TI", "--address-stdin", stdin=ADDRESS)
    assert siappakai("channel", "test", "Tim TI", "--dry-run").exit_code == 0
    assert db.session.scalars(select(Delivery)).all() == []
    channels.request_test(channels.find_channel("Tim TI").id, by=BY)
    found = siappakai("channel", "messages", "Tim TI", "--json").json
    assert [one["event"] for one in found["items"]] == ["test"]
    assert siappakai("channel", "test", "Nobody").exit_code == 3

"""What a failure means for a village is told by what was seen of its site."""

from typing import Any

import pytest
from flask import Flask

from siappakai.domain.states import RunState
from siappakai.models import utc_now
from siappakai.web.consequences import meaning
from tests.factories import make_run, make_server, make_site


def _checks(**ok: bool) -> dict[str, Any]:
    return {"checks": [{"name": name, "ok": good} for name, good in ok.items()]}


@pytest.mark.parametrize(
    ("play", "result", "words"),
    [
        ("install", {"healthy": True}, "seperti biasa"),
        ("install", {"state": "absent"}, "belum ada apa pun"),
        ("install", _checks(home=True, login=True, log=False), "masih melayani"),
        ("install", _checks(home=False, login=True), "tidak melayani"),
        ("install", {}, "belum dilihat"),
        ("backup", {}, "tidak diubah"),
    ],
)
def test_it_is_what_was_seen_of_the_site(
    panel: Flask, play: str, result: dict[str, Any], words: str
) -> None:
    (target,) = make_run(play, [make_site()], state=RunState.FAILED).targets
    target.started_at, target.result = utc_now(), result
    with panel.test_request_context():
        assert words in meaning(target)


def test_what_never_began_has_changed_nothing(panel: Flask) -> None:
    (target,) = make_run("install", [make_site()], state=RunState.FAILED).targets
    with panel.test_request_context():
        assert "belum menyentuh" in meaning(target)


def test_of_a_server_its_sites_are_told(panel: Flask) -> None:
    (target,) = make_run("server", [make_server()], state=RunState.FAILED).targets
    target.started_at = utc_now()
    with panel.test_request_context():
        assert "Situs yang sudah ada di server ini" in meaning(target)

"""The panel as a server loads it."""

import gc
from http import HTTPStatus

import pytest

from siappakai.config import Settings
from siappakai.web import serving
from tests.unit.web.conftest import NewPanel


def test_what_lives_as_long_as_the_process_is_not_looked_through_for_garbage(
    settings: Settings, new_panel: NewPanel, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, before = new_panel(settings), gc.get_freeze_count()
    monkeypatch.setattr(serving, "create_app", lambda: made)
    try:
        answer = serving.panel().test_client().get("/healthz")
        assert gc.get_freeze_count() > before
    finally:
        gc.unfreeze()
    assert answer.status_code == HTTPStatus.OK

"""How fast one token may ask. Each panel process counts by itself."""

from __future__ import annotations

from typing import Final

from flask_limiter import Limiter

from siappakai.models.app import current_settings
from siappakai.web import bearer
from siappakai.web.api.operations import blueprint


def _caller() -> str:
    return bearer.present().name


def _pace() -> str:
    return f"{current_settings().api_requests_per_minute} per minute"


# Failed tokens are counted apart, in the registry: who is not let in never comes here.
limiter: Final = Limiter(_caller, storage_uri="memory://", strategy="moving-window")
limiter.limit(_pace)(blueprint)

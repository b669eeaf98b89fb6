"""How fast one token may ask, counted in Redis: the panel is several processes."""

from __future__ import annotations

from flask import Flask
from flask_limiter import Limiter

from siappakai.config import Settings
from siappakai.models.app import current_settings
from siappakai.web import bearer
from siappakai.web.api.operations import blueprint

# A Redis that is stuck must not hold up who asks.
_REDIS_SECONDS = 1


def _caller() -> str:
    return bearer.present().name


def _pace() -> str:
    return f"{current_settings().api_requests_per_minute} per minute"


def init(app: Flask, settings: Settings) -> None:
    """Let the API of `app` keep the pace, together with all that share its Redis.

    Without Redis each process counts for itself until it answers again. Failed tokens are
    counted apart, in the registry: who is not let in never comes here.
    """
    url = settings.queue_url
    limiter = Limiter(
        _caller,
        storage_uri=f"redis+{url}" if url.startswith("unix:") else url,
        storage_options={
            "socket_timeout": _REDIS_SECONDS,
            "socket_connect_timeout": _REDIS_SECONDS,
        },
        strategy="moving-window",
        in_memory_fallback_enabled=True,
        # Requests that find Redis gone at the same moment: one falls back, the others pass.
        swallow_errors=True,
    )
    limiter.limit(_pace)(blueprint)
    limiter.init_app(app)

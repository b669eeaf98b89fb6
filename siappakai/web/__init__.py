"""The panel: routes, forms and what guards them."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from siappakai.config import Settings, share_folder
from siappakai.models.app import registry_app
from siappakai.web import (
    adoptions,
    alerts,
    audit,
    auth,
    backups,
    channels,
    confirmation,
    consents,
    dashboard,
    error_pages,
    extracts,
    gabungan,
    health,
    imports,
    languages,
    metrics,
    preferences,
    presentation,
    recovery,
    releases,
    restores,
    runs,
    schedules,
    servers,
    sessions,
    setup,
    sites,
    stores,
    tokens,
    totp,
    training,
    users,
    villages,
)
from siappakai.web import (
    settings as settings_pages,
)
from siappakai.web.api import routes as api
from siappakai.web.security import refuse_undeclared, secure

_BLUEPRINTS: Final = (
    adoptions.blueprint,
    alerts.blueprint,
    api.blueprint,
    auth.blueprint,
    audit.blueprint,
    backups.blueprint,
    channels.blueprint,
    dashboard.blueprint,
    consents.blueprint,
    extracts.blueprint,
    gabungan.blueprint,
    health.blueprint,
    imports.blueprint,
    metrics.blueprint,
    preferences.blueprint,
    recovery.blueprint,
    releases.blueprint,
    restores.blueprint,
    runs.blueprint,
    schedules.blueprint,
    servers.blueprint,
    sessions.blueprint,
    settings_pages.blueprint,
    setup.blueprint,
    sites.blueprint,
    stores.blueprint,
    tokens.blueprint,
    totp.blueprint,
    training.blueprint,
    users.blueprint,
    villages.blueprint,
)


def create_app(settings: Settings | None = None) -> Flask:
    """Return the panel over the registry of `settings`, by default those of this installation.

    Raises RuntimeError when a route declares no role.
    """
    settings = settings or Settings()
    app = registry_app(settings)
    _serve_files(app)
    languages.init(app, settings)
    presentation.init(app)
    secure(app, settings)
    confirmation.init(app)
    api.pace.init(app, settings)
    _believe_proxies(app, settings.trusted_proxies)
    error_pages.init(app)
    for blueprint in _BLUEPRINTS:
        app.register_blueprint(blueprint)
    refuse_undeclared(app)
    return app


def _believe_proxies(app: Flask, count: int) -> None:
    # Left out at 0: without a proxy those headers are the caller's own invention.
    if count:
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=count, x_proto=count, x_host=count)  # type: ignore[method-assign] # Flask's documented way


def _serve_files(app: Flask) -> None:
    app.template_folder = str(share_folder("templates") / "panel")
    app.static_folder = str(Path(__file__).parent / "static")
    app.add_url_rule("/static/<path:filename>", "static", app.send_static_file)
    app.jinja_env.trim_blocks = True
    app.jinja_env.lstrip_blocks = True

"""The bare Flask app around the registry: worker and CLI push it, the panel extends it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from flask import Flask, current_app
from flask.ctx import AppContext
from sqlalchemy import event
from sqlalchemy.engine import Engine

from siappakai.config import Settings
from siappakai.models import recovering
from siappakai.models.base import db
from siappakai.models.transactions import WRITES

_BUSY_MILLISECONDS = 15_000

# For those who hold the app without knowing Flask.
RegistryApp = Flask


def registry_app(settings: Settings, *, recovers: bool = False) -> Flask:
    """Return a Flask app bound to the registry of `settings`; push its context to use `db`.

    Raises ConflictError for a registry that is only half brought back, but to who `recovers` it.
    """
    if not recovers:
        recovering.refuse(settings.state)
    app = Flask("siappakai", static_folder=None)
    app.config["SQLALCHEMY_DATABASE_URI"] = settings.registry_url
    app.config["SQLALCHEMY_ENGINE_OPTIONS"] = _engine_options(settings.registry_url)
    app.extensions["siappakai.settings"] = settings
    db.init_app(app)
    with app.app_context():
        if db.engine.dialect.name == "sqlite":
            _prepare_sqlite(db.engine)
    return app


@contextmanager
def open_registry(settings: Settings, *, recovers: bool = False) -> Iterator[Flask]:
    """Make `db` the registry of `settings` for a while; its connections are closed at the end.

    Raises as `registry_app` does.
    """
    app = registry_app(settings, recovers=recovers)
    with app.app_context():
        try:
            yield app
        finally:
            db.session.remove()
            db.engine.dispose()


def current_settings() -> Settings:
    """Return the settings of the installation whose registry is in use."""
    settings: Settings = current_app.extensions["siappakai.settings"]
    return settings


def thread_context() -> AppContext:
    """Return a new context of the running app, for a thread to push."""
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001 - Flask's documented way to hand the app to a thread
    return app.app_context()


def _engine_options(url: str) -> dict[str, Any]:
    options: dict[str, Any] = {"pool_pre_ping": True}
    if url.startswith(("mysql", "mariadb")):
        # As PostgreSQL: who waited for a row sees it as it is now, not as the transaction began.
        options["isolation_level"] = "READ COMMITTED"
    return options


def _prepare_sqlite(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def set_pragmas(connection: Any, _record: Any) -> None:
        # The driver's own transaction handling would begin too late for BEGIN IMMEDIATE.
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=NORMAL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.execute(f"PRAGMA busy_timeout={_BUSY_MILLISECONDS}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Any) -> None:
        # A deferred transaction that turns into a writer fails at once with "database is
        # locked"; an immediate one waits for its turn.
        writes = connection.get_execution_options().get(WRITES, False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

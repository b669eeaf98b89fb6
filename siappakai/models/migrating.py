"""Bringing the registry's schema to the one this program knows."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from siappakai.config import Settings
from siappakai.models.base import db

_MIGRATIONS = Path(__file__).parent / "migrations"


def upgrade_registry(settings: Settings, revision: str = "head") -> None:
    """Bring the registry's schema to `revision`."""
    command.upgrade(migration_config(settings), revision)


def registry_revisions() -> tuple[str, str]:
    """Return the revision the registry's schema has, empty for none, and the newest there is."""
    with db.engine.connect() as connection:
        present = MigrationContext.configure(connection).get_current_revision()
    return present or "", _newest_revision()


def knows_revision(revision: str) -> bool:
    """Tell whether this program can bring a registry of that revision up to date."""
    script = ScriptDirectory(str(_MIGRATIONS))
    return revision in {one.revision for one in script.walk_revisions()}


@cache
def _newest_revision() -> str:
    # Fixed as long as this program runs, and slow to read.
    script = ScriptDirectory(str(_MIGRATIONS))
    return script.get_current_head() or ""


def migration_config(settings: Settings) -> Config:
    """Return Alembic's configuration for the registry of `settings`."""
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.attributes["url"] = settings.registry_url
    return config

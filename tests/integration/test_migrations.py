"""The migrations give exactly the models, on every database, and come back down."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Connection,
    DateTime,
    Enum,
    Float,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    create_engine,
    func,
    insert,
    inspect,
    select,
    text,
)
from sqlalchemy.pool import NullPool

from siappakai.config import Settings
from siappakai.models import Base
from siappakai.models.base import KeptWording, UtcDateTime
from siappakai.models.migrating import migration_config, upgrade_registry
from siappakai.wording import say

pytestmark = pytest.mark.integration

SAMPLES: dict[type, Any] = {
    String: "1",
    KeptWording: say("Dibatalkan."),
    Boolean: True,
    Integer: 1,
    Float: 1.5,
    LargeBinary: b"\0\xff",
    JSON: {"a": [1]},
    DateTime: datetime(2026, 1, 31, 23, 59, 59, tzinfo=UTC),
    UtcDateTime: datetime(2026, 1, 31, 23, 59, 59, tzinfo=UTC),
}
TABLES = Base.metadata.sorted_tables
REVISIONS = [
    script.revision
    for script in ScriptDirectory.from_config(
        migration_config(Settings(database_url="sqlite://"))
    ).walk_revisions()
][::-1]


@pytest.fixture(params=["sqlite", "postgres", pytest.param("mariadb", marks=pytest.mark.soak)])
def settings(request, tmp_path):
    """Settings of an empty database of each kind."""
    url = f"sqlite:///{tmp_path}/registry.sqlite3"
    if request.param != "sqlite":
        url = request.getfixturevalue(f"{request.param}_url")
    return Settings(database_url=url)


@pytest.fixture
def connection(settings):
    engine = create_engine(settings.registry_url, poolclass=NullPool)
    with engine.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT")
        if connection.dialect.name == "sqlite":
            connection.execute(text("PRAGMA foreign_keys=ON"))
        yield connection


def _schema(connection: Connection) -> dict[str, Any]:
    """Return columns, keys, indexes of all tables but Alembic's own, in a form to compare."""
    inspector = inspect(connection)
    return {
        name: {
            "columns": {
                column["name"]: (str(column["type"]), column["nullable"], column["default"])
                for column in inspector.get_columns(name)
            },
            "key": inspector.get_pk_constraint(name),
            "foreign": sorted(inspector.get_foreign_keys(name), key=str),
            "unique": sorted(inspector.get_unique_constraints(name), key=str),
            "indexes": sorted(inspector.get_indexes(name), key=str),
        }
        for name in inspector.get_table_names()
        if name != "alembic_version"
    }


def _sample(column: Column[Any]) -> Any:
    """Return a value the column takes; all keys are 1, so that they refer to each other."""
    if isinstance(column.type, Enum) and column.type.enum_class:
        return next(iter(column.type.enum_class))
    return next(value for kind, value in SAMPLES.items() if isinstance(column.type, kind))


def _fill(connection: Connection, tables: list[Table]) -> None:
    for table in tables:
        if connection.scalar(select(func.count()).select_from(table)):
            continue  # the trail's head, which a migration wrote
        connection.execute(insert(table).values({c.name: _sample(c) for c in table.columns}))


def _counts(connection: Connection, tables: list[Table]) -> dict[str, int]:
    return {
        table.name: connection.scalar(select(func.count()).select_from(table)) or 0
        for table in tables
    }


def test_migrations_give_the_models(settings, connection) -> None:
    upgrade_registry(settings)
    context = MigrationContext.configure(connection, opts={"compare_type": True})
    assert compare_metadata(context, Base.metadata) == []


def test_migrations_give_what_the_models_create(settings, connection, tmp_path) -> None:
    upgrade_registry(settings)
    migrated = _schema(connection)
    command.downgrade(migration_config(settings), "base")
    Base.metadata.create_all(connection)
    assert migrated == _schema(connection)
    assert set(migrated) == {table.name for table in TABLES}
    Base.metadata.drop_all(connection)


@pytest.mark.parametrize("revision", REVISIONS)
def test_a_revision_up_and_down_leaves_the_schema_as_it_was(settings, connection, revision) -> None:
    config = migration_config(settings)
    position = REVISIONS.index(revision)
    below = REVISIONS[position - 1] if position else "base"
    if position:
        command.upgrade(config, below)
    before = _schema(connection)
    command.upgrade(config, revision)
    assert _schema(connection) != before
    command.downgrade(config, below)
    assert _schema(connection) == before


@pytest.mark.parametrize("revision", REVISIONS)
def test_a_revision_keeps_data_up_and_can_be_taken_down_with_data(
    settings, connection, revision
) -> None:
    config = migration_config(settings)
    position = REVISIONS.index(revision)
    below = REVISIONS[position - 1] if position else "base"
    if position:
        command.upgrade(config, below)
    present = MetaData()
    present.reflect(connection)
    old = [table for table in present.sorted_tables if table.name != "alembic_version"]
    _fill(connection, old)
    before = _counts(connection, old)
    command.upgrade(config, revision)
    assert _counts(connection, old) == before
    if revision == REVISIONS[-1]:
        new = [table for table in TABLES if table.name not in before]
        _fill(connection, new)
        assert set(_counts(connection, new).values()) <= {1}
    command.downgrade(config, below)
    assert _counts(connection, old) == before
    command.upgrade(config, revision)


def test_a_filled_registry_holds_its_foreign_keys(settings, connection) -> None:
    upgrade_registry(settings)
    _fill(connection, TABLES)
    assert set(_counts(connection, TABLES).values()) == {1}
    if connection.dialect.name == "sqlite":
        assert connection.execute(text("PRAGMA foreign_key_check")).all() == []
        assert connection.scalar(text("PRAGMA integrity_check")) == "ok"


def test_upgrading_twice_changes_nothing(settings, connection) -> None:
    upgrade_registry(settings)
    _fill(connection, TABLES)
    before = _schema(connection), _counts(connection, TABLES)
    upgrade_registry(settings)
    assert (_schema(connection), _counts(connection, TABLES)) == before


def test_columns_are_plain_portable_types() -> None:
    """A revision must not import the models: they go on changing, it does not."""
    scripts = ScriptDirectory.from_config(migration_config(Settings(database_url="sqlite://")))
    for script in scripts.walk_revisions():
        assert "siappakai" not in Path(script.path).read_text(encoding="utf-8")

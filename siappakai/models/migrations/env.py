"""Alembic's entry: migrates the registry named by the configuration's `url` attribute."""

from __future__ import annotations

from alembic import context
from sqlalchemy import create_engine, pool

from siappakai.models import Base

config = context.config


def run() -> None:
    engine = create_engine(config.attributes["url"], poolclass=pool.NullPool)
    with engine.connect() as connection:
        context.configure(
            connection=connection,
            target_metadata=Base.metadata,
            render_as_batch=connection.dialect.name == "sqlite",
            compare_type=True,
        )
        with context.begin_transaction():
            context.run_migrations()
    engine.dispose()


run()

"""SQLite for tests: what one registry's engine compiled serves the registries after it.

A program opens one registry and compiles each statement once; tests open one each.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Engine
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite

_compiled: dict[Any, Any] = {}


class SharingDialect(SQLiteDialect_pysqlite):
    """The usual dialect, all its instances equal: they are a part of the keys of that cache."""

    supports_statement_cache = True

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other)

    def __hash__(self) -> int:
        return hash(type(self))

    @classmethod
    def engine_created(cls, engine: Engine) -> None:
        engine.update_execution_options(compiled_cache=_compiled)


registry.register("sqlite", __name__, SharingDialect.__name__)

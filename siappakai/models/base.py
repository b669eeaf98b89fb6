"""What all registry models share: the base class, UTC times, the `db` handle."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any, Final

from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import JSON, DateTime, Enum, MetaData, Text, TypeDecorator, func, select
from sqlalchemy.orm import DeclarativeBase, Session, registry
from sqlalchemy.sql.functions import Function

from siappakai.wording import Wording, pack, unpack

# Named constraints, so that a migration can drop them on every database.
_NAMING = {
    "ix": "ix_%(column_0_N_label)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


_CLOCKS: dict[str, Function[datetime]] = {
    "postgresql": func.clock_timestamp(type_=DateTime(timezone=True)),
    "mysql": func.utc_timestamp(6, type_=DateTime()),
    "mariadb": func.utc_timestamp(6, type_=DateTime()),
}


class UtcDateTime(TypeDecorator[datetime]):
    """An aware UTC time; SQLite and MariaDB store it without its zone."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Any) -> datetime | None:  # noqa: ARG002 - SQLAlchemy's signature
        return value.astimezone(UTC).replace(tzinfo=None) if value is not None else None

    def process_result_value(self, value: datetime | None, dialect: Any) -> datetime | None:  # noqa: ARG002 - SQLAlchemy's signature
        return value.replace(tzinfo=UTC) if value is not None else None


# A control character: what a server says could begin with any text that people can type.
_PACKED: Final = "\x1e"


class KeptWording(TypeDecorator[str]):
    """A text for people. One of ours keeps what it was made of, others stay as they are."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Any) -> str | None:  # noqa: ARG002 - SQLAlchemy's signature
        if value is None or not (isinstance(value, Wording) or value.startswith(_PACKED)):
            return value
        return _PACKED + json.dumps(pack(value))

    def process_result_value(self, value: str | None, dialect: Any) -> str | None:  # noqa: ARG002 - SQLAlchemy's signature
        if value is None or not value.startswith(_PACKED):
            return value
        return unpack(json.loads(value.removeprefix(_PACKED)))


class Base(DeclarativeBase):
    # Flask-SQLAlchemy subclasses this base; a registry is inherited whole, a
    # type_annotation_map beside it is refused by SQLAlchemy 2.1.
    registry = registry(
        metadata=MetaData(naming_convention=_NAMING),
        type_annotation_map={
            datetime: UtcDateTime(),
            dict[str, Any]: JSON(),
            list[str]: JSON(),
        },
    )


def state_column(enum: type) -> Enum:
    """Store a state as short text; its allowed values are the ORM's business.

    A native enum or a CHECK would need a table rewrite for each new state.
    """
    return Enum(
        enum,
        native_enum=False,
        create_constraint=False,
        length=20,
        values_callable=lambda members: [member.value for member in members],
    )


def utc_now() -> datetime:
    return datetime.now(UTC)


def registry_now(session: Session) -> datetime:
    """Return the registry's own time: the clocks of several worker machines may differ.

    SQLite is a file of this machine and has this machine's time.
    """
    clock = _CLOCKS.get(session.get_bind().dialect.name)
    if clock is None:
        return utc_now()
    told: datetime = session.execute(select(clock)).scalar_one()
    return told.replace(tzinfo=UTC) if told.tzinfo is None else told.astimezone(UTC)


db = SQLAlchemy(model_class=Base, session_options={"expire_on_commit": False})

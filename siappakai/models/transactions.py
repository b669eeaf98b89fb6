"""Writing to the registry: one transaction per use case, and what follows its commit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy.orm import Session

from siappakai.models.base import db

# Execution option that makes SQLite begin as a writer (see models.app).
WRITES = "siappakai_writes"
_HOOKS = "siappakai_after_commit"


@contextmanager
def transaction() -> Iterator[Session]:
    """Open a writing transaction on the registry; commit at the end, roll back on an error.

    A transaction inside another joins it. What was read before is read anew, so that a use
    case decides on the present state.
    """
    session = db.session()
    if _HOOKS in session.info:
        yield session
        return
    session.commit()
    session.expire_all()
    session.info[_HOOKS] = []
    try:
        session.connection(execution_options={WRITES: True})
        yield session
        session.commit()
    except BaseException:
        session.rollback()
        del session.info[_HOOKS]
        raise
    for hook in session.info.pop(_HOOKS):
        hook()


def after_commit(function: Callable[..., object], *args: Any) -> None:
    """Call `function(*args)` once the open transaction is committed, never if it is not."""
    db.session().info[_HOOKS].append(lambda: function(*args))

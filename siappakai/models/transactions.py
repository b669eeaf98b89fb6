"""Writing to the registry: one transaction per use case, and what follows its commit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from sqlalchemy import event
from sqlalchemy.orm import Session, SessionTransaction

from siappakai.models.base import db

T = TypeVar("T")

# Execution option that makes SQLite begin as a writer (see models.app).
WRITES = "siappakai_writes"
_HOOKS = "siappakai_after_commit"
_LAST = "siappakai_before_commit"
_READ = "siappakai_read_once"


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
    session.info[_LAST] = {}
    try:
        session.connection(execution_options={WRITES: True})
        yield session
        _do_last(session)
        session.commit()
    except BaseException:
        session.rollback()
        del session.info[_HOOKS]
        raise
    finally:
        # Gone with the transaction: what is asked for outside of one must not be lost silently.
        del session.info[_LAST]
    for hook in session.info.pop(_HOOKS):
        hook()


@contextmanager
def attempt() -> Iterator[None]:
    """Undo what is done inside, and nothing else of the open transaction, when it raises."""
    session = db.session()
    hooks = list(session.info[_HOOKS])
    last = {function: list(items) for function, items in session.info[_LAST].items()}
    try:
        with session.begin_nested():
            yield
    except BaseException:
        session.info[_HOOKS], session.info[_LAST] = hooks, last
        raise


def after_commit(function: Callable[..., object], *args: Any) -> None:
    """Call `function(*args)` once the open transaction is committed, never if it is not."""
    db.session().info[_HOOKS].append(lambda: function(*args))


def before_commit(function: Callable[[list[T]], object], item: T) -> None:
    """Call `function` with all items given for it as the last deed of the open transaction.

    What is locked there is locked after everything else, and for as short as can be.
    """
    db.session().info[_LAST].setdefault(function, []).append(item)


def read_once(read: Callable[[], T]) -> T:
    """Return what `read()` returns, asked for once per transaction.

    Within one the answer is the same, but for what the transaction itself changes; that calls
    `read_again`.
    """
    kept = db.session().info.setdefault(_READ, {})
    if read not in kept:
        kept[read] = read()
    answer: T = kept[read]
    return answer


def read_again(session: Session) -> None:
    """Forget what `read_once` has read."""
    session.info.pop(_READ, None)


@event.listens_for(Session, "after_transaction_end")
def _forget(session: Session, _transaction: SessionTransaction) -> None:
    read_again(session)


def _do_last(session: Session) -> None:
    session.flush()
    for function, items in session.info[_LAST].items():
        function(items)

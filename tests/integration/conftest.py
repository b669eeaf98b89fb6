"""Fixtures the integration tests share."""

from tests.sites import fleet, villages

__all__ = ["fleet", "villages"]

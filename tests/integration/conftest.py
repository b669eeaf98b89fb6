"""Fixtures the integration tests share."""

from tests.restores import lived_in
from tests.sites import fleet, villages

__all__ = ["fleet", "lived_in", "villages"]

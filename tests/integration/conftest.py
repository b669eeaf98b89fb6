"""Fixtures the integration tests share."""

from tests.sites import fleet

__all__ = ["fleet"]

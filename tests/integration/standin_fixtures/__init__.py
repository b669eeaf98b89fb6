"""Daemons and villages for the tests of the stand-in app."""

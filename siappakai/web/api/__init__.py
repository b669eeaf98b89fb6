"""The REST API under /api/v1: the same services as the panel, for programs with a token."""

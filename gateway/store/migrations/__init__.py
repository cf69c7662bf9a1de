"""Alembic migrations of both stores."""

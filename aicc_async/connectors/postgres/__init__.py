"""A journal in Postgres."""

from .journal import PostgresJournal

__all__ = ["PostgresJournal"]

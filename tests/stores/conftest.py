"""A PostgreSQL for the tests of the ledger, made when the first of them wants it."""

from support.postgres_server import postgres, postgres_server

__all__ = ["postgres", "postgres_server"]

"""Tables of ours in Postgres: created when they are first used, refused when of another layout."""

from __future__ import annotations

from collections.abc import Callable

from attrs import field, frozen

from ...errors import AICCError
from ...journal.entry import describe_layout
from .library import Connection, DictRow

# Not by ``to_regclass``: within a transaction it may go on seeing that there was none.
FIND_COMMENT = """
    SELECT obj_description(oid, 'pg_class') AS comment FROM pg_class
    WHERE relname = %s AND pg_table_is_visible(oid)
"""
# Else two processes that find no table would both create it. Its number is that of this name alone.
LOCK = "SELECT pg_advisory_xact_lock(hashtext(%s))"


@frozen
class Layout:
    """What ``schema`` creates: ``table``, and others that belong to it.

    The number of the layout is in the table's comment, which is in backups as well, and needs no
    table of its own. ``advice`` is what to do about another one.
    """

    table: str
    what: str
    advice: str
    number: str = field(kw_only=True)
    schema: str = field(kw_only=True)

    async def create_or_check(
        self, connection: Connection, failure: Callable[[str], AICCError]
    ) -> None:
        """Create the tables unless they are there; raise a ``failure`` for another layout."""
        prefix = f"{self.what} of aicc-async, layout "
        found = await self._find(connection)
        if not found:
            await connection.execute(LOCK, (self.table,))
            found = await self._find(connection)
        if not found:
            comment = f"COMMENT ON TABLE {self.table} IS '{prefix}{self.number}'"
            await connection.execute(f"{self.schema}; {comment}".encode())
        elif found["comment"] != f"{prefix}{self.number}":
            layout = (found["comment"] or "none").removeprefix(prefix)
            raise failure(describe_layout(found=layout, known=self.number, advice=self.advice))

    async def _find(self, connection: Connection) -> DictRow | None:
        cursor = await connection.execute(FIND_COMMENT, (self.table,))
        return await cursor.fetchone()

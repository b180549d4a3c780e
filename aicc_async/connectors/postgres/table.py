"""The table of a journal in Postgres, and which layout it has.

Times are of the server's clock, which decides everything; what the wall clock of the process showed
is noted beside them: the two together show whether either was set. A row that somebody inserts with
a key alone is planned.
"""

from __future__ import annotations

from ...errors import JournalError
from ...journal.entry import describe_layout
from .library import Connection, DictRow

# Raise it with every change of the schema: a table of another layout is refused.
LAYOUT = "1"
# A comment is in backups as well, and needs no second table.
COMMENT = "The journal of aicc-async, layout "
# Not by ``to_regclass``: within a transaction it may go on seeing that there was none.
FIND_COMMENT = """
    SELECT obj_description(oid, 'pg_class') AS comment FROM pg_class
    WHERE relname = 'aicc_journal' AND pg_table_is_visible(oid)
"""
# Else two processes that find no table would both create it. Its number is that of this name alone.
LOCK = "SELECT pg_advisory_xact_lock(hashtext('aicc_journal'))"
SCHEMA = f"""
    CREATE TABLE aicc_journal (
        key text PRIMARY KEY,
        state text NOT NULL DEFAULT 'planned',
        case_id text UNIQUE,
        note text NOT NULL DEFAULT '',
        candidates text[] NOT NULL DEFAULT '{{}}',
        digest text NOT NULL DEFAULT '',
        match_digest text NOT NULL DEFAULT '',
        planned_at timestamptz DEFAULT clock_timestamp(),
        created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        created_wall timestamptz NOT NULL DEFAULT clock_timestamp(),
        updated_wall timestamptz NOT NULL DEFAULT clock_timestamp(),
        skew interval,
        owner text,
        leased_until timestamptz
    );
    CREATE INDEX aicc_journal_open ON aicc_journal (match_digest)
        WHERE state IN ('sent', 'unknown');
    CREATE INDEX aicc_journal_due ON aicc_journal (planned_at)
        WHERE planned_at IS NOT NULL AND state IN ('planned', 'sent', 'unknown');
    COMMENT ON TABLE aicc_journal IS '{COMMENT}{LAYOUT}'
"""


async def create_or_check(connection: Connection, name: str) -> None:
    """Create the table unless it is there; JournalError for one of another layout."""
    found = await _find(connection)
    if not found:
        await connection.execute(LOCK)
        found = await _find(connection)
    if not found:
        await connection.execute(SCHEMA.encode())
    elif found["comment"] != f"{COMMENT}{LAYOUT}":
        layout = (found["comment"] or "none").removeprefix(COMMENT)
        reason = describe_layout(found=layout, known=LAYOUT)
        raise JournalError(f"cannot use the journal {name}: {reason}")


async def _find(connection: Connection) -> DictRow | None:
    cursor = await connection.execute(FIND_COMMENT)
    return await cursor.fetchone()

"""The table of a journal in Postgres.

Times are of the server's clock, which decides everything; what the wall clock of the process showed
is noted beside them: the two together show whether either was set. A row that somebody inserts with
a key alone is planned.
"""

from __future__ import annotations

from ...journal.entry import JOURNAL_ADVICE
from .layout import Layout

SCHEMA = """
    CREATE TABLE aicc_journal (
        key text PRIMARY KEY,
        state text NOT NULL DEFAULT 'planned',
        case_id text UNIQUE,
        note text NOT NULL DEFAULT '',
        candidates text[] NOT NULL DEFAULT '{}',
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
        WHERE planned_at IS NOT NULL AND state IN ('planned', 'sent', 'unknown')
"""
# Raise the number with every change of the schema: a table of another layout is refused.
JOURNAL = Layout("aicc_journal", "The journal", JOURNAL_ADVICE, number="1", schema=SCHEMA)

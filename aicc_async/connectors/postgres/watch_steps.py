"""The tables of a watch's state in Postgres, and the statements on them.

The idea and the invariants are those of ``redis/watch.lua``. What is locked: a look and a renewal
update the row of the state, so one waits for the other; an acknowledgement locks it FOR KEY SHARE,
which no update of another column waits for, up to the end of the transaction that it joined; who
takes the lease over locks it FOR UPDATE, which waits for both, or rather passes it by until then.
So a transaction in which an event was acknowledged has ended before another process reads events
(https://www.postgresql.org/docs/current/explicit-locking.html#LOCKING-ROWS).
"""

from __future__ import annotations

from ...watch.state import LAYOUT_ADVICE
from .layout import Layout

SCHEMA = """
    CREATE TABLE aicc_watch (
        name text PRIMARY KEY,
        holder text,
        held_until timestamptz,
        look bigint NOT NULL DEFAULT 0,
        event bigint NOT NULL DEFAULT 0,
        meta bytea
    );
    CREATE TABLE aicc_watch_case (
        watch text NOT NULL,
        id text NOT NULL,
        created bigint NOT NULL,
        digest bytea NOT NULL,
        event_id text NOT NULL,
        packed bytea NOT NULL,
        missing_at double precision,
        PRIMARY KEY (watch, id)
    );
    CREATE INDEX aicc_watch_case_created ON aicc_watch_case (watch, created, id);
    CREATE INDEX aicc_watch_case_missing ON aicc_watch_case (watch, created, id)
        WHERE missing_at IS NOT NULL;
    CREATE TABLE aicc_watch_event (
        watch text NOT NULL,
        number bigint NOT NULL,
        case_id text NOT NULL,
        body bytea NOT NULL,
        PRIMARY KEY (watch, number)
    )
"""
# Raise the number with every change of the schema: tables of another layout are refused.
WATCH = Layout("aicc_watch", "The watch", LAYOUT_ADVICE, number="1", schema=SCHEMA)
INSERT_STATE = "INSERT INTO aicc_watch (name) VALUES (%(name)s) ON CONFLICT DO NOTHING"
CLAIM = """
    UPDATE aicc_watch SET held_until = clock_timestamp() + %(span)s, holder = %(token)s,
        look = CASE holder WHEN %(token)s THEN look ELSE 0 END
    WHERE name = (
        SELECT name FROM aicc_watch
        WHERE name = %(name)s
            AND (holder IS NULL OR holder = %(token)s OR held_until < clock_timestamp())
        FOR UPDATE SKIP LOCKED
    )
"""
# Nobody took a lease that has ended and is still the caller's.
RENEW = """
    UPDATE aicc_watch SET held_until = clock_timestamp() + %(span)s
    WHERE name = %(name)s AND holder = %(token)s
"""
RELEASE = """
    UPDATE aicc_watch SET holder = NULL, held_until = NULL
    WHERE name = %(name)s AND holder = %(token)s
"""
IS_HELD = "SELECT 1 FROM aicc_watch WHERE name = %(name)s AND holder = %(token)s"
META = "SELECT meta FROM aicc_watch WHERE name = %(name)s"
COUNT = """
    SELECT count(*) AS count FROM aicc_watch_case
    WHERE watch = %(name)s AND created >= %(begin)s AND created < %(end)s
"""
COLUMNS = "id, created, digest, event_id, packed, missing_at"
# A piece, of what comes after the last one that was read.
CASES = f"""
    SELECT {COLUMNS} FROM aicc_watch_case
    WHERE watch = %(name)s AND (created, id) > (%(created)s, %(id)s) AND created < %(end)s
    ORDER BY created, id LIMIT %(limit)s
"""  # noqa: S608  (the columns are fixed)
MISSING = CASES.replace("ORDER BY", "AND missing_at IS NOT NULL ORDER BY")
SECONDS = """
    SELECT created FROM aicc_watch_case
    WHERE watch = %(name)s AND created >= %(begin)s AND created < %(end)s
    ORDER BY created LIMIT %(limit)s
"""
FIND = f"SELECT {COLUMNS} FROM aicc_watch_case WHERE watch = %(name)s AND id = ANY(%(ids)s)"  # noqa: S608  (same)
# A number is never used again, also where a standby takes over that lacks the last looks: an
# acknowledgement that comes late would be of another event.
BEGIN_LOOK = """
    UPDATE aicc_watch SET look = %(look)s, meta = coalesce(%(meta)s, meta),
        event = greatest(event, (extract(epoch FROM clock_timestamp()) * 1e6)::bigint) + %(events)s
    WHERE name = %(name)s AND holder = %(token)s AND look < %(look)s
    RETURNING event - %(events)s AS event
"""
UPSERT = """
    INSERT INTO aicc_watch_case (watch, id, created, digest, event_id, packed, missing_at)
    SELECT %(name)s, * FROM unnest(
        %(ids)s::text[], %(created)s::bigint[], %(digests)s::bytea[], %(event_ids)s::text[],
        %(rows)s::bytea[], %(missing)s::double precision[]
    )
    ON CONFLICT (watch, id) DO UPDATE SET created = excluded.created, digest = excluded.digest,
        event_id = excluded.event_id, packed = excluded.packed, missing_at = excluded.missing_at
"""
FORGET = "DELETE FROM aicc_watch_case WHERE watch = %(name)s AND id = ANY(%(forgotten)s)"
INSERT_EVENTS = """
    INSERT INTO aicc_watch_event (watch, number, case_id, body)
    SELECT %(name)s, %(event)s + number, case_id, body
    FROM unnest(%(case_ids)s::text[], %(bodies)s::bytea[]) WITH ORDINALITY
        AS each (case_id, body, number)
"""
PENDING = """
    SELECT number, case_id, body FROM aicc_watch_event
    WHERE watch = %(name)s AND number > %(after)s ORDER BY number LIMIT %(limit)s
"""
# One statement: a connection of the caller's may have a transaction for each. An event that an open
# transaction has acknowledged is left to that: it is acknowledged if, and only if, that commits.
ACKNOWLEDGE = """
    WITH held AS (
        SELECT name FROM aicc_watch WHERE name = %(name)s AND holder = %(token)s FOR KEY SHARE
    ), acknowledged AS (
        DELETE FROM aicc_watch_event USING held
        WHERE watch = held.name AND number IN (
            SELECT number FROM aicc_watch_event
            WHERE watch = %(name)s AND number = ANY(%(numbers)s) FOR UPDATE SKIP LOCKED
        )
    )
    SELECT 1 FROM held
"""

"""The steps of a journal in Postgres: each is what is done within one transaction.

The idea: an entry is a row, held by a lease that its owner renews; whoever finds a key whose lease
has ended takes it over, and what was sent under it is then in doubt. The invariants: a key has one
owner at a time, since its row is locked between look and change; a case belongs to one key at most
(``UNIQUE``: of two that take it at once one is run again, and sees the other's); what only an owner
may do names its token, which no other owner ever has; a step that is run twice, because its answer
was lost, does no more than once. A decision reads other rows in one statement, so that it sees all
of them at one moment. What it can't see: whether an owner whose lease has ended still sends (see
``journal/leases.py``), and what Postgres itself forgets.
"""
# Statements are made of the constants above them, and values are always parameters.
# ruff: noqa: S608

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...journal import Finding
from ...journal.entry import decide
from .library import Connection, DictRow

OPEN = "state IN ('sent', 'unknown')"
IS_LEASED = f"({OPEN} AND owner IS NOT NULL AND leased_until > clock_timestamp())"
IS_OWNED = f"key = %(key)s AND owner = %(token)s AND {OPEN}"
STAMP = "updated_at = clock_timestamp(), updated_wall = %(wall)s"
# What changes an entry that was on its way, from this moment on; another keeps its state and time.
IF_SENT = """
    updated_at = CASE state WHEN 'sent' THEN clock_timestamp() ELSE updated_at END,
    updated_wall = CASE state WHEN 'sent' THEN %(wall)s ELSE updated_wall END,
    state = CASE state WHEN 'sent' THEN {state} ELSE state END
"""
UNKNOWN_IF_SENT = IF_SENT.format(state="'unknown'")
# Nothing was sent under it. A key that was planned is still to be sent.
UNSENT = IF_SENT.format(state="CASE WHEN planned_at IS NULL THEN 'rejected' ELSE 'planned' END")
COLUMNS = f"""
    key, state, case_id, note, candidates, digest, match_digest, created_at, updated_at,
    created_wall, updated_wall, skew, owner, {IS_LEASED} AS is_leased, clock_timestamp() AS read_at
"""
# A row that is there is locked by being set to what it is.
INSERT_OR_LOCK = f"""
    INSERT INTO aicc_journal (key, planned_at) VALUES (%(key)s, NULL)
    ON CONFLICT (key) DO UPDATE SET key = excluded.key
    RETURNING {COLUMNS}
"""
BEGIN_ANEW = f"""
    UPDATE aicc_journal SET state = 'sent', case_id = NULL, note = '', candidates = '{{}}',
        digest = %(digest)s, match_digest = %(match_digest)s, skew = %(skew)s, owner = %(token)s,
        leased_until = clock_timestamp() + %(span)s, {STAMP}, created_at = clock_timestamp(),
        created_wall = %(wall)s
    WHERE key = %(key)s RETURNING {COLUMNS}
"""
TAKE_OVER = f"""
    UPDATE aicc_journal SET {UNKNOWN_IF_SENT}, owner = %(token)s,
        leased_until = clock_timestamp() + %(span)s
    WHERE key = %(key)s RETURNING {COLUMNS}
"""
RENEW = f"""
    UPDATE aicc_journal AS entry SET leased_until = clock_timestamp() + %(span)s
    FROM unnest(%(keys)s::text[], %(tokens)s::text[]) AS lease (key, token)
    WHERE entry.key = lease.key AND entry.owner = lease.token AND {OPEN}
    RETURNING entry.key
"""
RESEND = f"""
    UPDATE aicc_journal SET state = 'sent', {STAMP}, skew = %(skew)s,
        leased_until = clock_timestamp() + %(span)s
    WHERE {IS_OWNED}
"""
LOSE_CASE = """
    UPDATE aicc_journal SET state = 'unknown', case_id = NULL, owner = NULL, candidates = '{}',
        note = %(case_id)s || ' was made by another key'
    WHERE case_id = %(case_id)s AND key <> %(key)s
"""
SETTLE = f"""
    UPDATE aicc_journal SET state = %(state)s, case_id = %(case_id)s, note = '',
        candidates = '{{}}', {STAMP}
    WHERE key = %(key)s RETURNING {COLUMNS}
"""
REJECT = f"""
    UPDATE aicc_journal SET state = 'rejected', note = %(note)s, {STAMP}
    WHERE key = %(key)s AND owner = %(token)s AND state IN ('sent', 'unknown', 'rejected')
"""
DOUBT = f"""
    UPDATE aicc_journal SET {UNKNOWN_IF_SENT}, note = %(note)s, candidates = %(candidates)s
    WHERE {IS_OWNED}
"""
UNTAKEN = """
    SELECT id FROM unnest(%(ids)s::text[]) WITH ORDINALITY AS listed (id, place)
    WHERE NOT EXISTS (SELECT FROM aicc_journal WHERE case_id = id) ORDER BY place
"""
OPEN_DIGESTS = f"""
    SELECT digest FROM unnest(%(digests)s::text[]) WITH ORDINALITY AS listed (digest, place)
    WHERE EXISTS (SELECT FROM aicc_journal WHERE match_digest = listed.digest AND {OPEN})
    ORDER BY place
"""
# What a dead process had sent is in doubt, though nobody has noted that yet.
BASIS = f"""
    WITH others AS (
        SELECT digest, updated_at, state = 'sent' AND {IS_LEASED} AS is_at_work FROM aicc_journal
        WHERE match_digest = %(match_digest)s AND key <> %(key)s AND {OPEN}
    )
    SELECT ARRAY({UNTAKEN.replace("ids", "same")}) AS same,
        ARRAY({UNTAKEN.replace("ids", "alike")}) AS alike,
        1 + count(*) FILTER (WHERE NOT is_at_work AND digest = %(digest)s) AS equals,
        count(*) FILTER (WHERE NOT is_at_work AND digest <> %(digest)s) AS others,
        count(*) FILTER (WHERE is_at_work AND updated_at <= clock_timestamp() - %(age)s) AS rivals
    FROM others
"""
RELEASE = f"UPDATE aicc_journal SET {UNKNOWN_IF_SENT}, owner = NULL WHERE {IS_OWNED}"
WITHDRAW = f"UPDATE aicc_journal SET {UNSENT}, owner = NULL WHERE {IS_OWNED}"
READ = f"SELECT {COLUMNS} FROM aicc_journal WHERE key = %(key)s"
READ_ALL = f"""
    SELECT {COLUMNS} FROM aicc_journal WHERE coalesce(%(state)s::text, state) = state
    ORDER BY created_at, key COLLATE "C"
"""
# Two statements: one that updates on a conflict would lock what others are at work on until the
# caller's transaction ends.
PLAN = "INSERT INTO aicc_journal (key) VALUES (%(key)s) ON CONFLICT DO NOTHING"
PLAN_REJECTED = """
    UPDATE aicc_journal SET state = 'planned', planned_at = clock_timestamp()
    WHERE key = %(key)s AND state = 'rejected'
"""
DUE = f"""
    SELECT key FROM aicc_journal
    WHERE planned_at IS NOT NULL AND state IN ('planned', 'sent', 'unknown') AND NOT {IS_LEASED}
    ORDER BY planned_at, key LIMIT %(limit)s
"""
PRUNE = f"""
    DELETE FROM aicc_journal
    WHERE state IN ('confirmed', 'reconciled', 'rejected')
        AND updated_at < clock_timestamp() - %(age)s AND match_digest NOT IN
        (SELECT match_digest FROM aicc_journal WHERE {OPEN})
"""
Values = Mapping[str, Any]


async def claim(db: Connection, values: Values) -> tuple[bool, DictRow]:
    """Take a key that nobody holds; return whether it is held, and its row."""
    row = await _one(db, INSERT_OR_LOCK, values)
    is_open = row["state"] in {"sent", "unknown"}
    if is_open and row["owner"] == values["token"]:
        # The step came before, and its answer was lost.
        return True, row
    if row["state"] in {"planned", "rejected"}:
        return True, await _one(db, BEGIN_ANEW, values)
    if not is_open or row["digest"] != values["digest"] or row["is_leased"]:
        return False, row
    return True, await _one(db, TAKE_OVER, values)


async def confirm(db: Connection, values: Values) -> str | None:
    """Settle, and return the case that the key has then; None: it has another record by now.

    The service says that the case was made, so it is noted even when the lease has ended; only what
    was settled otherwise meanwhile stays.
    """
    row = await lock(db, values)
    if row is None or row["digest"] != values["digest"]:
        return None
    if row["case_id"] is None:
        await db.execute(LOSE_CASE.encode(), values)
        row = await _one(db, SETTLE, {**values, "state": "confirmed"})
    return str(row["case_id"])


async def take(
    db: Connection, values: Values, same: Sequence[str], alike: Sequence[str]
) -> Finding | None:
    """Settle with one of the cases that a list showed, if it is sure; None: the lease is lost."""
    row = await lock(db, values)
    if row is None or row["owner"] != values["token"]:
        return None
    if row["state"] == "reconciled":
        # The step came before, and its answer was lost.
        return Finding("found", (row["case_id"],))
    if row["state"] not in {"sent", "unknown"}:
        return None
    digests = {"digest": row["digest"], "match_digest": row["match_digest"]}
    listed = {"same": list(same), "alike": list(alike)}
    finding = decide(**await _one(db, BASIS, {**values, **digests, **listed}))
    if finding.status == "found":
        await _one(db, SETTLE, {**values, "state": "reconciled", "case_id": finding.ids[0]})
    return finding


async def resolve(db: Connection, values: Values) -> DictRow | str:
    """Settle what an operator has found out; a text says why that is refused."""
    row = await lock(db, values)
    if row is None or row["state"] not in {"sent", "unknown"}:
        return f"its state is {row['state']}" if row else "it is not in the journal"
    if row["is_leased"]:
        return "a process is at work on it"
    case_id = values["case_id"]
    if case_id and not await fetch(db, UNTAKEN, {"ids": [case_id]}):
        return f"{case_id} is another key's case"
    state = "reconciled" if case_id else "rejected"
    return await _one(db, SETTLE, {**values, "state": state})


async def lock(db: Connection, values: Values) -> DictRow | None:
    """Return the row of a key, which nobody else changes until the transaction ends."""
    rows = await fetch(db, f"{READ} FOR UPDATE", values)
    return rows[0] if rows else None


async def change(db: Connection, sql: str, values: Values) -> int:
    """Run a statement, and return how many rows it changed."""
    cursor = await db.execute(sql.encode(), values)
    return cursor.rowcount


async def fetch(db: Connection, sql: str, values: Values) -> list[DictRow]:
    """Return the rows of a statement.

    In binary: as texts, times and spans would depend on the server's settings.
    """
    cursor = await db.execute(sql.encode(), values, binary=True)
    return await cursor.fetchall()


async def _one(db: Connection, sql: str, values: Values) -> DictRow:
    [row] = await fetch(db, sql, values)
    return row

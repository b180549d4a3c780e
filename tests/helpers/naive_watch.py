"""A watch as people write it, which the judge of a simulated week must find out.

It reads all cases each round, and compares them with those of the round before. What does not come
is deleted, and what it knows is written before it is told.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

from aicc_async import AICCClient, AICCError, CaseQuery
from aicc_async._listing import zones

# By their wire names: what it compares.
NAMES = {
    "title": "title",
    "priority": "priority",
    "status": "status",
    "ownerId": "owner_id",
    "createdDate": "created_date",
}
Rows = dict[str, dict[str, str | None]]


async def naive_events(
    aicc: AICCClient, *, state: str, every: float, lookback: str, period: float
) -> AsyncIterator[dict[str, Any]]:
    """Yield what has changed, as ``to_dict`` has it."""
    del period
    file, numbers = Path(state), itertools.count()
    while True:
        known = _load(file)
        since = zones.now(aicc.timezone) - timedelta(seconds=float(lookback[:-1]))
        rows: Rows = {}
        try:
            async for case in aicc.iter_cases(CaseQuery(start_time=since), strict=False):
                rows[case.id] = {wire: _text(getattr(case, name)) for wire, name in NAMES.items()}
        except AICCError:
            await asyncio.sleep(every)
            continue
        _keep(file, rows)
        for event in _compare(known, rows) if known is not None else ():
            yield event | {"id": f"{event['case_id']}:{next(numbers)}"}
        await asyncio.sleep(every)


def _load(file: Path) -> Rows | None:
    return json.loads(file.read_text()) if file.exists() else None


def _keep(file: Path, rows: Rows) -> None:
    # Whole or not at all, whenever it is killed.
    new = file.with_suffix(".new")
    new.write_text(json.dumps(rows))
    new.replace(file)


def _text(value: Any) -> str | None:
    return str(value.replace(tzinfo=None)) if hasattr(value, "tzinfo") else value


def _compare(known: Rows, rows: Rows) -> Iterator[dict[str, Any]]:
    for case_id, row in rows.items():
        before = known.get(case_id)
        if before is None:
            yield {"kind": "created", "case_id": case_id, "case": row}
        elif before != row:
            changes = {
                NAMES[name]: [before[name], row[name]] for name in row if before[name] != row[name]
            }
            yield {"kind": "changed", "case_id": case_id, "case": row, "changes": changes}
    for case_id in known.keys() - rows.keys():
        yield {"kind": "deleted", "case_id": case_id, "case": known[case_id]}

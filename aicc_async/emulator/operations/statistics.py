"""The two statistics, counted from the store; what each number counts is our reading.

A finished case is one whose state is Completed, an unfinished one any other, and an unfinished one
whose dueDate has passed is over. The average duration is that of finished cases, in days from
creation to closing, 0 if there is none.
"""

from typing import Any

from ..data import seed
from ..http.answer import Answer
from .bounds import Bounds, decode_object, parse_date, parse_page
from .request import OperationRequest, answer_result

FILTERS = Bounds(lengths={"caseTypeId": 20})
KEYS = ("newCases", "finishedCases", "unfinishedCases", "averageDuration", "overCases")
DAY = "substr(createdDate, 1, 10)"
FINISHED = "json_extract(\"row\", '$.state') IS 'Completed'"
DURATION = "julianday(json_extract(\"row\", '$.closedDate')) - julianday(createdDate)"
OVER = "json_extract(\"row\", '$.dueDate') < ?"
COUNTS = f"""
    coalesce(sum({FINISHED}), 0),
    coalesce(sum(NOT {FINISHED}), 0),
    round(coalesce(avg(CASE WHEN {FINISHED} THEN {DURATION} END), 0), 2),
    coalesce(sum(NOT {FINISHED} AND {OVER}), 0)
"""
CURRENT = f"SELECT coalesce(sum({DAY} = ?), 0), {COUNTS} FROM cases"  # noqa: S608 -- fixed texts
NAME = "max(json_extract(\"row\", '$.typeName'))"

Wire = dict[str, Any]
Condition = tuple[str, str]


def current(request: OperationRequest) -> Answer:
    """Count the cases created today, and all that are finished, unfinished, and over."""
    now = seed.wall_clock()
    [counts] = request.store.read(CURRENT, (now[:10], now))
    return answer_result(dict(zip(KEYS, counts, strict=True)))


def report(request: OperationRequest) -> Answer:
    """Count the cases of each day of creation and type, the newest day first.

    The filters may be left out, and both days are included.
    """
    wire = FILTERS.check(decode_object(request.body))
    start, limit = parse_page(wire)
    conditions = _conditions(wire)
    where = " AND ".join(condition for condition, _ in conditions) or "1"
    values = tuple(value for _, value in conditions)
    rows = request.store.read(_page(where), (seed.wall_clock(), *values, limit, start))
    [[count]] = request.store.read(_groups(where), values)
    return request.answer_list({"caseStatisticsList": [_row(row) for row in rows], "count": count})


def _conditions(wire: Wire) -> list[Condition]:
    found = [("type = ?", wire["caseTypeId"])] if "caseTypeId" in wire else []
    bounds = {"startTime": f"{DAY} >= ?", "endTime": f"{DAY} <= ?"}
    return found + [
        (condition, str(parse_date(wire, key))) for key, condition in bounds.items() if key in wire
    ]


def _page(where: str) -> str:
    by = f"GROUP BY {DAY}, type ORDER BY {DAY} DESC, type LIMIT ? OFFSET ?"
    shown = f"{DAY}, type, {NAME}, count(*), {COUNTS}"
    return f"SELECT {shown} FROM cases WHERE {where} {by}"  # noqa: S608 -- fixed texts


def _groups(where: str) -> str:
    each = f"SELECT DISTINCT {DAY}, type FROM cases WHERE {where}"  # noqa: S608 -- fixed texts
    return f"SELECT count(*) FROM ({each})"  # noqa: S608 -- same


def _row(row: tuple[Any, ...]) -> Wire:
    keys = ("date", "caseType", "caseTypeName", *KEYS)
    return dict(zip(keys, row, strict=True))

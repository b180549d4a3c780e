"""The two statistics, counted from the store; what each number counts is our reading.

A finished case is one whose state is Completed, an unfinished one any other. An unfinished case
whose dueDate has passed is over. The average duration is that of finished cases, in days from
creation to closing, and 0 if there is none.
"""

from ..data import seed
from ..http.answer import Answer
from .bounds import Bounds, decode_object, parse_date, parse_page
from .request import OperationRequest, answer_result

FILTERS = Bounds(lengths={"caseTypeId": 20})
KEYS = ("newCases", "finishedCases", "unfinishedCases", "averageDuration", "overCases")

DAY = "substr(createdDate, 1, 10)"
# IS rather than =, so that a case without a state counts as unfinished instead of dropping out.
FINISHED = "json_extract(\"row\", '$.state') IS 'Completed'"
DURATION = "julianday(json_extract(\"row\", '$.closedDate')) - julianday(createdDate)"
OVER = "json_extract(\"row\", '$.dueDate') < ?"
# The sum and the average of no rows are NULL in SQL, but must be 0 in the answer.
COUNTS = f"""
    coalesce(sum({FINISHED}), 0),
    coalesce(sum(NOT {FINISHED}), 0),
    round(coalesce(avg(CASE WHEN {FINISHED} THEN {DURATION} END), 0), 2),
    coalesce(sum(NOT {FINISHED} AND {OVER}), 0)
"""
CURRENT = f"SELECT coalesce(sum({DAY} = ?), 0), {COUNTS} FROM cases"  # noqa: S608  (fixed texts)

# The name of a type is a column neither of the table nor of the groups. All cases of a type have
# the same one, so an aggregate picks it.
NAME = "max(json_extract(\"row\", '$.typeName'))"
REPORT = (
    f"SELECT {DAY}, type, {NAME}, count(*), {COUNTS} FROM cases WHERE {{where}} "  # noqa: S608  (fixed)
    f"GROUP BY {DAY}, type ORDER BY {DAY} DESC, type LIMIT ? OFFSET ?"
)
GROUPS = f"SELECT count(*) FROM (SELECT DISTINCT {DAY}, type FROM cases WHERE {{where}})"  # noqa: S608  (fixed)


def current(request: OperationRequest) -> Answer:
    """Count the cases created today, and all that are finished, unfinished, and over."""
    now = seed.wall_clock()
    [counts] = request.store.read(CURRENT, (now[:10], now))
    return answer_result(dict(zip(KEYS, counts, strict=True)))


def report(request: OperationRequest) -> Answer:
    """Count the cases of each day of creation and type, the newest day first."""
    wire = FILTERS.check(decode_object(request.body))
    start, limit = parse_page(wire)
    conditions = {"type = ?": wire["caseTypeId"]} if "caseTypeId" in wire else {}
    # The documents do not say whether the days themselves are included: here, both are.
    if "startTime" in wire:
        conditions[f"{DAY} >= ?"] = str(parse_date(wire, "startTime"))
    if "endTime" in wire:
        conditions[f"{DAY} <= ?"] = str(parse_date(wire, "endTime"))
    where, values = " AND ".join(conditions) or "1", tuple(conditions.values())
    found = request.store.read(
        REPORT.format(where=where), (seed.wall_clock(), *values, limit, start)
    )
    keys = ("date", "caseType", "caseTypeName", *KEYS)
    rows = [dict(zip(keys, row, strict=True)) for row in found]
    [[count]] = request.store.read(GROUPS.format(where=where), values)
    return request.answer_list({"caseStatisticsList": rows, "count": count})

"""The two statistics."""

from collections import Counter
from datetime import datetime, timedelta

import pytest
from emulator.bare_client import (
    AICC_TYPE,
    COUNTS,
    OPENAPI,
    TYPE,
    BareClient,
    Wire,
)

SINCE = datetime(2025, 1, 1)  # noqa: DTZ001  (wall-clock time, as on the wire)


async def test_current_statistics(client: BareClient) -> None:
    """The counts and the mean duration are those of the cases in the store."""
    for case_id in client.tenant.ids():
        client.tenant.delete(case_id)
    answer = await client.get("/statistics/case/current")
    assert answer["result"] == dict.fromkeys(COUNTS, 0)
    created = "2025-01-01 00:00:00"
    for closed in ("2025-01-02 00:00:00", "2025-01-03 12:00:00"):
        client.tenant.insert(createdDate=created, closedDate=closed, state="Completed")
    for due in ("2025-01-02 00:00:00", "2999-01-01 00:00:00", None):
        client.tenant.insert(createdDate=created, dueDate=due, state="Pending")
    client.tenant.insert(state="Processing", dueDate=None)
    reply = await client.send("GET", f"{OPENAPI}/statistics/case/current")
    assert reply.content_type == AICC_TYPE
    assert reply.body == (
        b'{"resCode":"0","resMsg":"success","result":{"newCases":1,"finishedCases":2,'
        b'"unfinishedCases":4,"averageDuration":1.75,"overCases":1}}'
    )


async def test_the_report_counts_days_and_types(client: BareClient) -> None:
    """Each day and type has its counts as plain Python finds them, the newest day first."""
    rows = await client.rows("/statistics/case/report", "caseStatisticsList", caseTypeId=TYPE)
    cases = [case for case in client.tenant.rows() if case["type"] == TYPE]
    assert rows == sorted(rows, key=lambda row: row["date"], reverse=True)
    assert {row["date"] for row in rows} == {case["createdDate"][:10] for case in cases}
    for row in rows:
        assert list(row) == ["date", "caseType", "caseTypeName", *COUNTS]
        assert (row["caseType"], row["caseTypeName"]) == (TYPE, "Repair")
        that_day = [case for case in cases if case["createdDate"].startswith(row["date"])]
        states = Counter(case["state"] == "Completed" for case in that_day)
        assert row["newCases"] == len(that_day)
        assert (row["finishedCases"], row["unfinishedCases"]) == (states[True], states[False])
        assert row["averageDuration"] == pytest.approx(mean_days(that_day), abs=0.01)


def mean_days(cases: list[Wire]) -> float:
    """Return the mean number of days from creation to closing."""
    closed = [case for case in cases if case["state"] == "Completed"]
    days = [since(case, "closedDate") - since(case, "createdDate") for case in closed]
    return sum(days, timedelta()) / timedelta(days=1) / len(days) if days else 0.0


def since(case: Wire, key: str) -> timedelta:
    """Return a time of a case as the distance from a fixed time."""
    return datetime.fromisoformat(case[key]) - SINCE


async def test_the_report_keeps_to_its_days_and_its_page(client: BareClient) -> None:
    """Both days are included, and pages cover every row once."""
    bounds = {"startTime": "2025-01-10", "endTime": "2025-01-20"}
    rows = await client.rows("/statistics/case/report", "caseStatisticsList", **bounds)
    days = {case["createdDate"][:10] for case in client.tenant.rows()}
    assert {row["date"] for row in rows} == {
        day for day in days if bounds["startTime"] <= day <= bounds["endTime"]
    }
    pages = []
    for start in range(0, len(rows) + 3, 3):
        request = bounds | {"start": start, "limit": 3}
        [result] = (await client.post("/statistics/case/report", request))["result"]
        assert result["count"] == len(rows)
        pages += result["caseStatisticsList"]
    assert pages == rows

"""A dlt source of an emulated tenant, and what is asked of that and of the loaded tables."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from aicc_async import AICCClient, CaseUpdate, RetryPolicy, StaticToken
from aicc_async.connectors.dlt import aicc_cases
from aicc_async.emulator import Emulator

ZONE = ZoneInfo("Asia/Shanghai")
QUICK = RetryPolicy(attempts=2, base=0.001)


def now() -> datetime:
    """Return the tenant's wall-clock time: a run of all tests takes longer than a settle lag."""
    return datetime.now(ZONE).replace(tzinfo=None, microsecond=0)


def source(tenant: Emulator, **options: Any) -> Any:
    """Make a source that signs in and hardly waits between attempts."""
    who = {"client_id": tenant.client_id, "client_secret": tenant.client_secret}
    return aicc_cases(tenant.url, **{"retry": QUICK, **who, **options})


def run(pipeline: Any, source: Any) -> None:
    """Load in the form that dlt takes by itself."""
    pipeline.run(source)


def select(pipeline: Any, text: str) -> list[tuple[Any, ...]]:
    """Ask the DuckDB file."""
    with pipeline.sql_client() as client:
        return list(client.execute_sql(text))


def ids(source: Any) -> list[str]:
    """Iterate over the cases of a source without a pipeline."""
    tables = list(source.with_resources("cases"))
    return [case_id for table in tables for case_id in table["id"].to_pylist()]


def titles(pipeline: Any) -> dict[str, str]:
    """Return the titles of all rows by their ids, none of which is there twice."""
    rows = select(pipeline, "SELECT id, title FROM cases")
    assert len(dict(rows)) == len(rows)
    return dict(rows)


def stored(tenant: Emulator) -> dict[str, str]:
    """Return the titles of the tenant's cases by their ids."""
    return {row["id"]: row["title"] for row in tenant.rows()}


def change(tenant: Emulator, case_id: str, title: str) -> None:
    """Modify a case as another user would."""

    async def modify() -> None:
        async with AICCClient(tenant.url, auth=StaticToken(tenant.token())) as aicc:
            await aicc.modify_case(
                CaseUpdate(id=case_id, title=title, description="…", creator_id="10gd")
            )

    asyncio.run(modify())


def state(pipeline: Any) -> dict[str, Any]:
    """Return what dlt keeps for the source."""
    found: dict[str, Any] = pipeline.state.get("sources", {})
    return dict(found)


def cause(caught: pytest.ExceptionInfo[BaseException]) -> BaseException:
    """Find what dlt's error is about."""
    error: BaseException | None = caught.value
    while error and not type(error).__module__.startswith("aicc_async"):
        error = error.__cause__
    assert error
    return error

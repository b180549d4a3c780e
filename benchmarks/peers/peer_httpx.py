"""``httpx`` and ``pydantic``, as their documentation has them, eight pages at a time."""

import asyncio
from pathlib import Path

import httpx
from job import LIMIT, PATH, page_body, read_job
from pydantic import BaseModel, ConfigDict, Field

CONCURRENCY = 8


class Case(BaseModel):
    """A row; what has no field of its own is kept as it is."""

    model_config = ConfigDict(extra="allow")

    id: str
    case_no: str | None = Field(default=None, alias="caseNo")
    title: str | None = None
    priority: str | None = None
    state: str | None = None
    status: str | None = None
    created_date: str | None = Field(default=None, alias="createdDate")
    closed_date: str | None = Field(default=None, alias="closedDate")


class Result(BaseModel):
    """A page and the total."""

    rows: list[Case] = Field(alias="caseList")
    count: int


class Answer(BaseModel):
    """A whole answer."""

    result: list[Result]


async def main() -> None:
    """Read the first page of each window, then the others, eight at a time."""
    job = read_job()
    at_once = asyncio.Semaphore(CONCURRENCY)
    async with httpx.AsyncClient(headers=job.headers, timeout=60) as client:
        with Path(job.target).open("w", encoding="utf-8") as file:

            async def page(window: tuple[str, str], start: int) -> int:
                async with at_once:
                    response = await client.post(job.url + PATH, json=page_body(window, start))
                response.raise_for_status()
                [result] = Answer.model_validate_json(response.content).result
                file.writelines(case.model_dump_json(by_alias=True) + "\n" for case in result.rows)
                return result.count

            async def whole(window: tuple[str, str]) -> None:
                count = await page(window, 0)
                await asyncio.gather(*(page(window, at) for at in range(LIMIT, count, LIMIT)))

            await asyncio.gather(*(whole(window) for window in job.windows))


asyncio.run(main())

"""How a command makes one call of the client: with a record, for a record, or for a listing."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, aclosing
from typing import Any, BinaryIO, TypeVar

from .._protocol.converter import RecordConverter
from ..client import AICCClient
from .console import load, print_json, run_async
from .options import client

T = TypeVar("T")
R = TypeVar("R")
Reader = AbstractAsyncContextManager[AICCClient]


def send(
    call: Callable[[AICCClient, T], Awaitable[R]],
    cls: type[T],
    *,
    file: BinaryIO,
    within: str = "caseInfo",
    **options: Any,
) -> tuple[T, R]:
    """Read a record from JSON, make a call with it, and return both record and answer."""
    aicc = client(**options)
    record: T = load(cls, file, RecordConverter(aicc.timezone), within=within)

    async def go() -> R:
        async with aicc:
            return await call(aicc, record)

    return record, run_async(go())


def print_one(source: Reader, call: Callable[[AICCClient], Awaitable[Any]]) -> None:
    """Print the record that a call returns."""

    async def go() -> dict[str, Any]:
        async with source as aicc:
            return RecordConverter(aicc.timezone).dump(await call(aicc))

    print_json(run_async(go()))


def print_all(source: Reader, rows: Callable[[AICCClient], AsyncGenerator[Any]]) -> None:
    """Print the records of a listing as they come, each on a line of its own."""

    async def go() -> None:
        async with source as aicc, aclosing(rows(aicc)) as found:
            wire = RecordConverter(aicc.timezone)
            async for row in found:
                print_json(wire.dump(row), indent=-1)

    run_async(go())

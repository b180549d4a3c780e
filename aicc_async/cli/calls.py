"""How a command makes one call of a client: with a record, for a record, or for a listing."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, aclosing
from typing import Any, BinaryIO, TypeVar

from .._protocol.converter import RecordConverter, loads
from ..client import AICCClient
from ..errors import AICCError, ConfigError
from ..settings.endpoint import find_zone
from .connect import Reader, client
from .console import print_json, print_row, run_async
from .spelling import to_wire_names

C = TypeVar("C")
R = TypeVar("R")
T = TypeVar("T")


def load(cls: type[T], file: BinaryIO, wire: RecordConverter, *, wrapper: str = "caseInfo") -> T:
    """Read a record from JSON, by wire or Python names; what is wrong with it is a ConfigError.

    ``wrapper`` is the key that the documents put around it; it may be left out.
    """
    try:
        value = loads(file.read())
        if isinstance(value, dict):
            value = value.get(wrapper, value)
        return wire.load(cls, to_wire_names(cls, value) if isinstance(value, dict) else value)
    except AICCError as error:
        raise ConfigError(f"{file.name}: {error}") from None


def qflow_wire() -> RecordConverter:
    """Return the converter of Q-Flow's records: all of their times have an offset."""
    return RecordConverter(find_zone("UTC"))


def call(source: AbstractAsyncContextManager[C], ask: Callable[[C], Awaitable[R]]) -> R:
    """Open a client, make one call, and return what comes back."""

    async def go() -> R:
        async with source as opened:
            return await ask(opened)

    return run_async(go())


def send(
    ask: Callable[[AICCClient, T], Awaitable[R]],
    cls: type[T],
    *,
    file: BinaryIO,
    wrapper: str = "caseInfo",
    **options: Any,
) -> tuple[T, R]:
    """Read a record from JSON, make a call with it, and return both record and answer."""
    aicc = client(**options)
    record = load(cls, file, RecordConverter(aicc.timezone), wrapper=wrapper)
    return record, call(aicc, lambda opened: ask(opened, record))


def print_one(source: Reader, ask: Callable[[AICCClient], Awaitable[Any]]) -> None:
    """Print the record that a call returns."""

    async def dump(aicc: AICCClient) -> dict[str, Any]:
        return RecordConverter(aicc.timezone).dump(await ask(aicc))

    print_json(call(source, dump))


def print_all(source: Reader, rows: Callable[[AICCClient], AsyncGenerator[Any]]) -> None:
    """Print the records of a listing as they come, each on a line of its own."""

    async def print_rows(aicc: AICCClient) -> None:
        wire = RecordConverter(aicc.timezone)
        async with aclosing(rows(aicc)) as found:
            async for row in found:
                print_row(wire.dump(row))

    call(source, print_rows)

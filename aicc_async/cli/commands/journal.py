"""The commands for an operator who looks at a journal, and decides."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol, Self, TypeVar

import attrs
import click

from ...errors import ConfigError
from ...journal import STATES, Entry, SQLiteJournal
from ..console import echo, print_json, run_async
from ..options import Span
from .export import group

T = TypeVar("T")
LONGEST = timedelta(days=36_500)
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


class Place(click.ParamType[Path | str]):
    """A journal: a file that is there, or the URL of a Redis."""

    name = "file or redis://…"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Path | str:
        """Look for the file; a URL is looked up later."""
        if isinstance(value, str) and "://" in value:
            return value
        path: Path = FILE.convert(value, param, ctx)
        return path


where = click.option("--journal", "place", type=Place(), envvar="AICC_JOURNAL", required=True)


class Opened(AbstractAsyncContextManager[Any], Protocol):
    """What an operator can ask of any journal."""

    async def __aenter__(self) -> Self: ...

    async def entry(self, key: str) -> Entry | None:
        """Look one up."""
        ...

    async def entries(self, state: str | None = None) -> list[Entry]:
        """List all, or those of a state."""
        ...

    async def resolve(self, key: str, case_id: str | None) -> Entry:
        """Settle one."""
        ...

    async def prune(self, *, older_than: timedelta) -> int:
        """Forget what is old."""
        ...


@group.group()
def journal() -> None:
    """Look at what a journal knows of creates, and settle what nobody else can."""


@journal.command("list")
@where
@click.option("--state", type=click.Choice(STATES), help="Only those.")
def list_(place: Path | str, state: str | None) -> None:
    """Print the creates, oldest first, one JSON object on each line.

    \b
    Example:
      aicc-async journal list --journal cases.jsonl.journal --state unknown
    """  # noqa: D301  (click reads the \b)
    for entry in _asked(place, lambda opened: opened.entries(state)):
        print_json(_shown(entry), indent=-1)


@journal.command()
@click.argument("key")
@where
def show(key: str, place: Path | str) -> None:
    """Print one create.

    \b
    Example:
      aicc-async journal show order-4711 --journal cases.jsonl.journal
    """  # noqa: D301
    entry = _asked(place, lambda opened: opened.entry(key))
    if entry is None:
        raise ConfigError(f"key: {key!r} is not in the journal")
    print_json(_shown(entry))


@journal.command()
@click.argument("key")
@where
@click.option("--case-id", help="The case that it made.")
@click.option("--not-created", is_flag=True, help="It made none, and may be sent again.")
def resolve(key: str, place: Path | str, case_id: str | None, *, not_created: bool) -> None:
    """Settle a create that is sent or unknown, once you know what became of it.

    \b
    Example:
      aicc-async journal resolve order-4711 --case-id coiO0000014hmYpZIqYq \\
        --journal cases.jsonl.journal
    """  # noqa: D301
    if bool(case_id) == not_created:
        raise ConfigError("one of --case-id and --not-created is needed")
    print_json(_shown(_asked(place, lambda opened: opened.resolve(key, case_id))))


@journal.command()
@where
@click.option("--older-than", type=Span(), required=True, metavar="SPAN", help="As 90d.")
def prune(place: Path | str, older_than: timedelta) -> None:
    """Forget what was settled so long ago; a message that comes after that makes a second case.

    \b
    Example:
      aicc-async journal prune --older-than 90d --journal cases.jsonl.journal
    """  # noqa: D301
    if older_than > LONGEST:
        raise ConfigError(f"--older-than: at most {LONGEST.days}d, {older_than.days}d was given")
    count = _asked(place, lambda opened: opened.prune(older_than=older_than))
    echo(f"{count:,} forgotten")


def _asked(place: Path | str, ask: Callable[[Opened], Awaitable[T]]) -> T:
    async def go() -> T:
        async with _open(place) as opened:
            return await ask(opened)

    return run_async(go())


def _open(place: Path | str) -> Opened:
    if isinstance(place, Path):
        return SQLiteJournal(place)
    from ...connectors.redis import RedisJournal  # noqa: PLC0415  (an extra)

    return RedisJournal(place)


def _shown(entry: Entry) -> dict[str, Any]:
    fields = attrs.asdict(entry)
    del fields["held"]
    times = {name: fields[name].isoformat(" ", "seconds") for name in ("created_at", "updated_at")}
    return fields | times

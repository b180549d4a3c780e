"""The commands for a Q-Flow server."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, BinaryIO, TypeVar

import click

from ..._protocol.converter import RecordConverter
from ...credentials import QFlowLogin
from ...errors import ConfigError
from ...models import CaseEnqueue, QueueCancel
from ...qflow import QFlowClient
from ...settings import find_zone
from ..console import ask_secret, json_file, load, print_json, run_async
from .export import group

R = TypeVar("R")
NUMBER = click.IntRange(0)

address = click.option(
    "--base-url", envvar="AICC_QFLOW_URL", required=True, show_envvar=True, help="As https://…/API"
)


@group.command()
@json_file
@address
@click.option("--form", is_flag=True, help="Send a form instead of JSON.")
def enqueue(file: BinaryIO, base_url: str, *, form: bool) -> None:
    """Put a case into a Q-Flow queue, and print it with its CaseId.

    How to sign in: see `aicc-async qflow --help`.

    \b
    Example:
      echo '{"ServiceId": 2, "Subject": "…"}' | aicc-async enqueue
    """  # noqa: D301  (click reads the \b)
    made = _client(base_url, os.environ)
    case = load(CaseEnqueue, file, _wire())
    _print_record(made, lambda server: server.enqueue_case(case, form=form))


@group.group()
def qflow() -> None:
    """Look at a case in a Q-Flow queue, or take it out.

    Who signs in stands in AICC_QFLOW_USER and AICC_QFLOW_PASSWORD; without the password it is asked
    for. AICC_QFLOW_TOKEN_HEADER and AICC_QFLOW_TOKEN_PREFIX (with its space) say what carries the
    token: Authorization and Bearer unless set. Other headers that the server wants stand in
    AICC_QFLOW_HEADERS, as "Name: value" lines. All of that is for enqueue too.
    """


@qflow.command("case")
@click.argument("case_id", type=NUMBER, metavar="ID")
@address
def case_(case_id: int, base_url: str) -> None:
    """Print a case by its number.

    \b
    Example:
      aicc-async qflow case 1
    """  # noqa: D301
    _print_record(_client(base_url, os.environ), lambda server: server.get_case(case_id))


@qflow.command()
@click.argument("process_id", type=NUMBER, metavar="ID")
@address
def process(process_id: int, base_url: str) -> None:
    """Print a case by the number of its process.

    \b
    Example:
      aicc-async qflow process 70002
    """  # noqa: D301
    _print_record(_client(base_url, os.environ), lambda server: server.get_process(process_id))


@qflow.command()
@json_file
@address
def cancel(file: BinaryIO, base_url: str) -> None:
    """Take a case out of its queue.

    Reads JSON (a file, or standard input): CaseId or ProcessId is needed. Prints what the server
    says, a JSON text.

    \b
    Example:
      echo '{"CaseId": 1, "Status": 15, "Notes": "…"}' | aicc-async qflow cancel
    """  # noqa: D301
    made = _client(base_url, os.environ)
    case = load(QueueCancel, file, _wire())
    print_json(_ask(made, lambda server: server.cancel_case(case)))


def _print_record(made: QFlowClient, call: Callable[[QFlowClient], Awaitable[Any]]) -> None:
    print_json(_wire().dump(_ask(made, call)))


def _ask(made: QFlowClient, call: Callable[[QFlowClient], Awaitable[R]]) -> R:
    async def go() -> R:
        async with made as server:
            return await call(server)

    return run_async(go())


def _wire() -> RecordConverter:
    return RecordConverter(find_zone("UTC"))  # no naive time is on it


def _client(base_url: str, environ: Mapping[str, str]) -> QFlowClient:
    """Make the client that the variables describe, asking for the password if need be."""
    return QFlowClient(
        base_url,
        login=_login(environ),
        token_header=environ.get("AICC_QFLOW_TOKEN_HEADER") or "Authorization",
        token_prefix=environ.get("AICC_QFLOW_TOKEN_PREFIX", "Bearer "),  # may be empty
        headers=_headers(environ.get("AICC_QFLOW_HEADERS", "")),
    )


def _login(environ: Mapping[str, str]) -> QFlowLogin | None:
    user, password = environ.get("AICC_QFLOW_USER"), environ.get("AICC_QFLOW_PASSWORD")
    if user:
        return QFlowLogin(user, password or ask_secret("Q-Flow password", "AICC_QFLOW_PASSWORD"))
    if password:
        raise ConfigError("AICC_QFLOW_PASSWORD is set, AICC_QFLOW_USER is not")
    return None


def _headers(text: str) -> dict[str, str]:
    lines = [line.partition(":") for line in text.splitlines() if line.strip()]
    if not all(colon for _, colon, _ in lines):
        raise ConfigError("AICC_QFLOW_HEADERS: 'Name: value' lines are needed")
    return {name.strip(): value.strip() for name, _, value in lines}

"""The commands for tasks."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, BinaryIO

import click

from ...client import AICCClient
from ...models import NewTask, StatusUpdate, TaskQuery, TaskTransfer, TaskUpdate
from ..calls import Reader, print_all, print_one, send
from ..console import json_file, print_json
from ..options import connection, demo, reader
from .export import group

DEMO_TASKS = ("Call the customer back", "Ask the warehouse", "Check the refund")


@group.group()
def task() -> None:
    """Create tasks, change them, look at them."""


@task.command()
@json_file
@connection
def create(file: BinaryIO, **options: Any) -> None:
    """Create a task.

    Reads JSON (a file, or standard input) and prints the id, null where the service doesn't tell
    it. A task is never sent twice: when it is not known whether it arrived, the command says so,
    with exit code 1.

    \b
    Example:
      echo '{"title": "…", "relateId": "c6m8000001tSDqQAcMPR", "creatorId": "…"}' \\
        | aicc-async task create
    """  # noqa: D301  (click reads the \b)
    _, task_id = send(AICCClient.create_task, NewTask, file=file, within="taskInfo", **options)
    print_json({"taskId": task_id}, indent=-1)


@task.command()
@json_file
@connection
def modify(file: BinaryIO, **options: Any) -> None:
    """Change a task.

    Reads JSON (a file, or standard input) and prints the id.

    \b
    Example:
      echo '{"id": "cTsk000001Ki9iv91wUA", "priority": "High"}' | aicc-async task modify
    """  # noqa: D301
    sent, _ = send(AICCClient.modify_task, TaskUpdate, file=file, within="taskInfo", **options)
    print_json({"id": sent.id}, indent=-1)


@task.command("list")
@click.option("--name", metavar="TEXT", help="A part of the title.")
@click.option("--status", metavar="TEXT", help="The tenant's own.")
@click.option("--level", metavar="TEXT", help="The priority: High.")
@click.option("--handler", metavar="TEXT", help="Who has it.")
@connection
@demo
def list_(
    *,
    name: str | None,
    status: str | None,
    level: str | None,
    handler: str | None,
    demo: bool,
    **options: Any,
) -> None:
    """Print all tasks that match, one JSON object on each line.

    \b
    Example:
      aicc-async task list --demo --name refund
    """  # noqa: D301
    wanted = TaskQuery(name=name, status=status, level=level, handler=handler)
    print_all(_reader(demo=demo, **options), lambda aicc: aicc.iter_tasks(wanted))


@task.command()
@click.argument("task_id", metavar="ID")
@connection
@demo
def get(task_id: str, *, demo: bool, **options: Any) -> None:
    """Print a task.

    \b
    Example:
      aicc-async task get --demo cTsk000001Ki9iv91wUA
    """  # noqa: D301
    print_one(_reader(demo=demo, **options), lambda aicc: aicc.get_task(task_id))


@task.command()
@json_file
@connection
def transfer(file: BinaryIO, **options: Any) -> None:
    """Hand a task over.

    Reads JSON (a file, or standard input) and prints the id.

    \b
    Example:
      echo '{"id": "cTsk000001Ki9iv91wUA", "ownerId": "…", "creatorId": "…"}' \\
        | aicc-async task transfer
    """  # noqa: D301
    sent, _ = send(AICCClient.transfer_task, TaskTransfer, file=file, **options)
    print_json({"id": sent.id}, indent=-1)


@task.command()
@json_file
@connection
def status(file: BinaryIO, **options: Any) -> None:
    """Put a task to another status.

    Reads JSON (a file, or standard input) and prints the id.

    \b
    Example:
      echo '{"id": "cTsk000001Ki9iv91wUA", "creatorId": "…", "status": "…"}' \\
        | aicc-async task status
    """  # noqa: D301
    sent, _ = send(AICCClient.update_task_status, StatusUpdate, file=file, **options)
    print_json({"id": sent.id}, indent=-1)


def _reader(*, demo: bool, **options: Any) -> Reader:
    source = reader(demo=demo, **options)
    return _with_tasks(source) if demo else source


@asynccontextmanager
async def _with_tasks(source: Reader) -> AsyncIterator[AICCClient]:
    """Give the demonstration's tenant some tasks: it begins without any."""
    async with source as aicc:
        for title in DEMO_TASKS:
            await aicc.create_task(NewTask(title=title))
        yield aicc

"""The commands for tasks."""

from __future__ import annotations

from typing import Any, BinaryIO

import click

from ..console import print_json
from ..options import connection, demo, json_file

DEMO_TASKS = ("Call the customer back", "Ask the warehouse", "Check the refund")


@click.group()
def task() -> None:
    """Create tasks, change them, look at them."""


@task.command()
@json_file
@connection
def create(file: BinaryIO, **options: Any) -> None:
    """Create a task.

    Reads JSON (a file, or standard input) and prints the id, null where the service doesn't give
    it. A task is never sent twice: when it is unknown whether it arrived, the command reports that,
    with exit code 1.

    \b
    Example:
      echo '{"title": "…", "relateId": "c6m8000001tSDqQAcMPR", "creatorId": "…"}' \\
        | aicc-async task create
    """
    from ...client import AICCClient
    from ...models import NewTask
    from ..calls import send

    _, task_id = send(AICCClient.create_task, NewTask, file=file, wrapper="taskInfo", **options)
    print_json({"taskId": task_id})


@task.command()
@json_file
@connection
def modify(file: BinaryIO, **options: Any) -> None:
    """Change fields of a task.

    Reads JSON (a file, or standard input) and prints the id.

    \b
    Example:
      echo '{"id": "cTsk000001Ki9iv91wUA", "priority": "High"}' | aicc-async task modify
    """
    from ...client import AICCClient
    from ...models import TaskUpdate
    from ..calls import send

    sent, _ = send(AICCClient.modify_task, TaskUpdate, file=file, wrapper="taskInfo", **options)
    print_json({"id": sent.id})


@task.command("list")
@click.option("--name", metavar="TEXT", help="A part of the title.")
@click.option("--status", metavar="TEXT", help="The status, as the tenant calls it.")
@click.option("--level", metavar="TEXT", help="The priority: High.")
@click.option("--handler", metavar="TEXT", help="Who has the task.")
@connection
@demo
def list_(
    *,
    name: str | None,
    status: str | None,
    level: str | None,
    handler: str | None,
    **options: Any,
) -> None:
    """Print all tasks that match, one JSON object on each line.

    \b
    Example:
      aicc-async task list --demo --name refund
    """
    from ...models import TaskQuery
    from ..calls import print_all
    from ..connect import reader

    wanted = TaskQuery(name=name, status=status, level=level, handler=handler)
    source = reader(demo_tasks=DEMO_TASKS, **options)
    print_all(source, lambda aicc: aicc.iter_tasks(wanted))


@task.command()
@click.argument("task_id", metavar="ID")
@connection
@demo
def get(task_id: str, **options: Any) -> None:
    """Print a task.

    \b
    Example:
      aicc-async task get --demo cTsk000001Ki9iv91wUA
    """
    from ..calls import print_one
    from ..connect import reader

    source = reader(demo_tasks=DEMO_TASKS, **options)
    print_one(source, lambda aicc: aicc.get_task(task_id))


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
    """
    from ...client import AICCClient
    from ...models import TaskTransfer
    from ..calls import send

    sent, _ = send(AICCClient.transfer_task, TaskTransfer, file=file, **options)
    print_json({"id": sent.id})


@task.command()
@json_file
@connection
def status(file: BinaryIO, **options: Any) -> None:
    """Set the status of a task.

    Reads JSON (a file, or standard input) and prints the id.

    \b
    Example:
      echo '{"id": "cTsk000001Ki9iv91wUA", "creatorId": "…", "status": "…"}' \\
        | aicc-async task status
    """
    from ...client import AICCClient
    from ...models import StatusUpdate
    from ..calls import send

    sent, _ = send(AICCClient.update_task_status, StatusUpdate, file=file, **options)
    print_json({"id": sent.id})

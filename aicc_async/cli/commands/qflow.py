"""The commands for a Q-Flow server."""

from __future__ import annotations

from typing import BinaryIO

import click

from ..console import print_json
from ..options import F, json_file
from ..verbose import verbose

NUMBER = click.IntRange(0)

_base_url = click.option(
    "--base-url", envvar="AICC_QFLOW_URL", required=True, show_envvar=True, help="As https://…/API"
)


def address(command: F) -> F:
    """Add the options of every request to a Q-Flow server."""
    return _base_url(verbose(command))


@click.command()
@json_file
@address
@click.option("--form", is_flag=True, help="Send a form instead of JSON.")
def enqueue(file: BinaryIO, base_url: str, *, form: bool) -> None:
    """Put a case into a Q-Flow queue, and print it.

    Reads JSON (a file, or standard input); what is printed has the CaseId. How to sign in: see
    `aicc-async qflow --help`.

    \b
    Example:
      echo '{"ServiceId": 2, "Subject": "…"}' | aicc-async enqueue
    """
    from ...models import CaseEnqueue
    from ..calls import call, load, qflow_wire
    from ..connect import qflow_client

    client, wire = qflow_client(base_url), qflow_wire()
    case = load(CaseEnqueue, file, wire)
    print_json(wire.dump(call(client, lambda server: server.enqueue_case(case, form=form))))


@click.group()
def qflow() -> None:
    """Look at a case in a Q-Flow queue, or take it out.

    AICC_QFLOW_USER and AICC_QFLOW_PASSWORD sign in; a password that is not set is asked for. The
    token goes into the header AICC_QFLOW_TOKEN_HEADER (Authorization) after
    AICC_QFLOW_TOKEN_PREFIX (Bearer, with its space). Other headers that the server requires are
    "Name: value" lines in AICC_QFLOW_HEADERS. All of that applies to enqueue too.
    """


@qflow.command("case")
@click.argument("case_id", type=NUMBER, metavar="ID")
@address
def case_(case_id: int, base_url: str) -> None:
    """Print a case by its number.

    \b
    Example:
      aicc-async qflow case 1
    """
    from ..calls import call, qflow_wire
    from ..connect import qflow_client

    found = call(qflow_client(base_url), lambda server: server.get_case(case_id))
    print_json(qflow_wire().dump(found))


@qflow.command()
@click.argument("process_id", type=NUMBER, metavar="ID")
@address
def process(process_id: int, base_url: str) -> None:
    """Print a case by the number of its process.

    \b
    Example:
      aicc-async qflow process 70002
    """
    from ..calls import call, qflow_wire
    from ..connect import qflow_client

    found = call(qflow_client(base_url), lambda server: server.get_process(process_id))
    print_json(qflow_wire().dump(found))


@qflow.command()
@json_file
@address
def cancel(file: BinaryIO, base_url: str) -> None:
    """Take a case out of its queue.

    Reads JSON (a file, or standard input) with a CaseId or a ProcessId, and prints the server's
    answer, a JSON string.

    \b
    Example:
      echo '{"CaseId": 1, "Status": 15, "Notes": "…"}' | aicc-async qflow cancel
    """
    from ...models import QueueCancel
    from ..calls import call, load, qflow_wire
    from ..connect import qflow_client

    client = qflow_client(base_url)
    case = load(QueueCancel, file, qflow_wire())
    print_json(call(client, lambda server: server.cancel_case(case)))

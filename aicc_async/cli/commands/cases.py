"""The commands that do something to a case besides changing its fields."""

from __future__ import annotations

from typing import Any, BinaryIO

from ...client import AICCClient
from ...models import CaseCancel, CaseProcess, CaseTransfer, StatusUpdate
from ..calls import send
from ..console import json_file, print_json
from ..options import connection
from .export import group


@group.command()
@json_file
@connection
def transfer(file: BinaryIO, **options: Any) -> None:
    """Hand a case over to a user or a queue.

    Reads JSON (a file, or standard input) and prints the id. All five fields are mandatory;
    ownerType is user or queue.

    \b
    Example:
      echo '{"id": "c6m8000001tSDqQAcMPR", "ownerId": "…", "ownerType": "queue",
        "creatorId": "…", "remark": "…"}' | aicc-async transfer
    """  # noqa: D301  (click reads the \b)
    sent, _ = send(AICCClient.transfer_case, CaseTransfer, file=file, **options)
    print_json({"id": sent.id}, indent=-1)


@group.command()
@json_file
@connection
def process(file: BinaryIO, **options: Any) -> None:
    """Add a note to a case, or send a mail or an SMS.

    Reads JSON (a file, or standard input) and prints the case's id. The type is Iternal (so spelt:
    a note), Email or SMS. It is never sent twice: when it is not known whether it arrived, the
    command says so, with exit code 1.

    \b
    Example:
      echo '{"caseId": "c6m8000001tSDqQAcMPR", "creatorId": "…",
        "processInfo": {"type": "Iternal", "description": "…"}}' | aicc-async process
    """  # noqa: D301
    sent, _ = send(AICCClient.process_case, CaseProcess, file=file, **options)
    print_json({"id": sent.case_id}, indent=-1)


@group.command()
@json_file
@connection
def cancel(file: BinaryIO, **options: Any) -> None:
    """Cancel a case.

    Reads JSON (a file, or standard input) and prints the id.

    \b
    Example:
      echo '{"id": "c6m8000001tSDqQAcMPR", "creatorId": "…", "remark": "…"}' \\
        | aicc-async cancel
    """  # noqa: D301
    sent, _ = send(AICCClient.cancel_case, CaseCancel, file=file, **options)
    print_json({"id": sent.id}, indent=-1)


@group.command()
@json_file
@connection
def status(file: BinaryIO, **options: Any) -> None:
    """Put a case to another flow node.

    Reads JSON (a file, or standard input) and prints the id. Which nodes there are, the caseStatus
    of `aicc-async case-type list` tells.

    \b
    Example:
      echo '{"id": "c6m8000001tSDqQAcMPR", "creatorId": "…", "status": "New"}' \\
        | aicc-async status
    """  # noqa: D301
    sent, _ = send(AICCClient.update_case_status, StatusUpdate, file=file, **options)
    print_json({"id": sent.id}, indent=-1)

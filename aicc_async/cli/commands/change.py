"""The command that changes single fields of a case."""

from __future__ import annotations

from typing import Any, BinaryIO

import click

from ...errors import ConfigError
from ..console import print_json
from ..options import connection


@click.command()
@click.argument("case_id", metavar="ID")
@click.argument("changes", nargs=-1, required=True, metavar="NAME=VALUE…")
@click.option(
    "--if-unchanged",
    "seen",
    type=click.File("rb"),
    metavar="FILE",
    help="Refuse when the case is not as in this output of get any more.",
)
@connection
def change(case_id: str, changes: tuple[str, ...], seen: BinaryIO | None, **options: Any) -> None:
    """Change single fields of a case, and keep the others.

    creatorId, who makes the change, must be among them. Names are those of the wire or of Python
    (dueDate, due_date), and of the case type's template; times are as 2025-01-31T18:00:00. The
    service wants title and description with every change: the case is read first, and they are sent
    as they are. Prints the id.

    \b
    Example:
      aicc-async change c6m8000001tSDqQAcMPR creatorId=10gg00000148PCjKVDAu priority=High
    """
    from ..._protocol.converter import RecordConverter
    from ...models import CaseDetail
    from ..calls import call, load
    from ..changes import parse_changes
    from ..connect import client

    wanted = parse_changes(changes)
    creator_id = wanted.pop("creator_id", None)
    if creator_id is None:
        raise ConfigError("creatorId must be set: who makes the change")
    aicc = client(**options)
    wire = RecordConverter(aicc.timezone)
    before = load(CaseDetail, seen, wire, wrapper="") if seen else None
    call(
        aicc,
        lambda opened: opened.change_case(
            case_id, creator_id=creator_id, if_unchanged=before, **wanted
        ),
    )
    print_json({"id": case_id})

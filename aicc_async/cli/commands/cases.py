"""The commands for single cases, and for a page of them."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO

import click

from ...errors import ConfigError
from ..console import print_json, print_row, say
from ..options import (
    INPUT_FILE,
    OUTPUT_FILE,
    JournalPlace,
    Span,
    concurrency,
    connection,
    demo,
    json_file,
    selection,
)


@click.command("list")
@selection
@connection
@demo
@click.option("--start", default=0, show_default=True, help="First row.")
@click.option("--limit", default=100, show_default=True, help="Rows, 1 to 100.")
def list_(
    *,
    since: datetime | timedelta | None,
    until: datetime | None,
    filters: tuple[str, ...],
    start: int,
    limit: int,
    **options: Any,
) -> None:
    """Print one page of cases, one JSON object on each line.

    Standard error gets how many match, and the --start of the next page. --since and --until may be
    31 days apart; export reads all pages of any range.

    \b
    Example:
      aicc-async list --demo --limit 2 --filter priority=High
    """
    from ..._protocol.converter import RecordConverter
    from ...client import AICCClient
    from ..calls import call
    from ..connect import reader
    from ..filters import query

    wanted, source = query(since, until, filters), reader(**options)

    async def list_page(aicc: AICCClient) -> tuple[list[dict[str, Any]], int]:
        page = await aicc.list_cases(wanted, start=start, limit=limit)
        return list(map(RecordConverter(aicc.timezone).dump, page.cases)), page.count

    rows, count = call(source, list_page)
    for row in rows:
        print_row(row)
    following = start + len(rows)
    has_more = rows and following < count
    say(f"{len(rows)} of {count:,} cases" + (f"; next: --start {following}" if has_more else ""))


@click.command()
@click.argument("case_id")
@connection
@demo
def get(case_id: str, **options: Any) -> None:
    """Print a case with its history, contact and tasks.

    \b
    Example:
      aicc-async get --demo c6m8000001tSDqQAcMPR
    """
    from ..calls import print_one
    from ..connect import reader

    print_one(reader(**options), lambda aicc: aicc.get_case(case_id))


@click.command()
@json_file
@click.option("--key", help="Create it once: the same key again is the same case.")
@click.option("--from", "source", type=INPUT_FILE, help="A file of many cases: JSONL or CSV.")
@click.option("--key-field", help="With --from: the field that is the key of each case.")
@click.option("--results", type=OUTPUT_FILE, help="With --from: where the outcomes go, as JSONL.")
@click.option(
    "--journal",
    type=JournalPlace(OUTPUT_FILE),
    envvar="AICC_JOURNAL",
    help="With --key or --from.  [AICC_JOURNAL, aicc-creates.journal]",
)
@click.option("--dry-run", is_flag=True, help="With --from: only list the problems of the file.")
@click.option(
    "--list-lag",
    type=Span(),
    default="3m",
    show_default=True,
    metavar="SPAN",
    help="With --key or --from: within what time a new case shows in the list.",
)
@connection
@concurrency
def create(
    file: BinaryIO,
    *,
    key: str | None,
    source: Path | None,
    key_field: str | None,
    results: Path | None,
    dry_run: bool,
    **options: Any,
) -> None:
    """Create a case, or one for every line of a file.

    Reads JSON (a file, or standard input) and prints the id. Names are those of the wire or of
    Python (contactId, contact_id). Without a key it is never sent twice: when it is unknown whether
    it arrived, the command reports that, with exit code 1.

    With --key order-4711 the case is created once, however often the command is run: the journal
    holds the key. Prints the outcome, created or already, beside the id. When it is unknown whether
    it arrived, run the same command again: it looks for the case first. Exit codes are the same.

    With --from cases.csv --key-field ref --results results.jsonl, every line is created once: the
    journal aicc-creates.journal, in the working directory, holds what was sent, so run the same
    command again after any end. All files share it: a key names one case, whichever file it is in.
    All lines are checked before the first is sent. Exit code 3: some are rejected or unknown, see
    the results.

    \b
    Example:
      echo '{"title": "…", "description": "…", "type": "…", "contactId": "…", "creatorId": "…"}' \\
        | aicc-async create
    """
    if source is None:
        if key_field or results or dry_run:
            raise ConfigError("--key-field, --results and --dry-run must come with --from")
        if key is not None:
            from ..keyed import create_one

            create_one(file, key=key, **options)
            return
        del options["journal"], options["list_lag"]
        from ...client import AICCClient
        from ...models import NewCase
        from ..calls import send

        _, case_id = send(AICCClient.create_case, NewCase, file=file, **options)
        print_json({"caseId": case_id})
        return
    from ..bulk.command import check_file, create_from

    if key is not None:
        raise ConfigError("--key cannot be combined with --from, whose keys are in --key-field")
    if key_field is None:
        raise ConfigError("--key-field must be set with --from")
    if dry_run:
        check_file(source, key_field)
    elif results is None:
        raise ConfigError("--results must be set with --from")
    else:
        create_from(source, key_field=key_field, results=results, **options)


@click.command()
@json_file
@connection
def modify(file: BinaryIO, **options: Any) -> None:
    """Change fields of a case.

    Reads JSON (a file, or standard input) and prints the id. The service wants title, description
    and creatorId, whatever is changed; the command change reads the first two itself.

    \b
    Example:
      echo '{"id": "c6m8000001tSDqQAcMPR", "title": "…", "description": "…", "creatorId": "…"}' \\
        | aicc-async modify
    """
    from ...client import AICCClient
    from ...models import CaseUpdate
    from ..calls import send

    sent, _ = send(AICCClient.modify_case, CaseUpdate, file=file, **options)
    print_json({"id": sent.id})


@click.command()
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
    """
    from ...client import AICCClient
    from ...models import CaseTransfer
    from ..calls import send

    sent, _ = send(AICCClient.transfer_case, CaseTransfer, file=file, **options)
    print_json({"id": sent.id})


@click.command()
@json_file
@connection
def process(file: BinaryIO, **options: Any) -> None:
    """Add a note to a case, or send a mail or an SMS.

    Reads JSON (a file, or standard input) and prints the case's id. The type is Iternal (so spelt:
    a note), Email or SMS. It is never sent twice: when it is unknown whether it arrived, the
    command reports that, with exit code 1.

    \b
    Example:
      echo '{"caseId": "c6m8000001tSDqQAcMPR", "creatorId": "…",
        "processInfo": {"type": "Iternal", "description": "…"}}' | aicc-async process
    """
    from ...client import AICCClient
    from ...models import CaseProcess
    from ..calls import send

    sent, _ = send(AICCClient.process_case, CaseProcess, file=file, **options)
    print_json({"id": sent.case_id})


@click.command()
@json_file
@connection
def cancel(file: BinaryIO, **options: Any) -> None:
    """Cancel a case.

    Reads JSON (a file, or standard input) and prints the id.

    \b
    Example:
      echo '{"id": "c6m8000001tSDqQAcMPR", "creatorId": "…", "remark": "…"}' \\
        | aicc-async cancel
    """
    from ...client import AICCClient
    from ...models import CaseCancel
    from ..calls import send

    sent, _ = send(AICCClient.cancel_case, CaseCancel, file=file, **options)
    print_json({"id": sent.id})


@click.command()
@json_file
@connection
def status(file: BinaryIO, **options: Any) -> None:
    """Move a case to another flow node.

    Reads JSON (a file, or standard input) and prints the id. The nodes are listed in the caseStatus
    of `aicc-async case-type get`.

    \b
    Example:
      echo '{"id": "c6m8000001tSDqQAcMPR", "creatorId": "…", "status": "New"}' \\
        | aicc-async status
    """
    from ...client import AICCClient
    from ...models import StatusUpdate
    from ..calls import send

    sent, _ = send(AICCClient.update_case_status, StatusUpdate, file=file, **options)
    print_json({"id": sent.id})

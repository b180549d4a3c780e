"""``aicc-async create --key``: one case for a key, and what the creates by keys have in common."""

from __future__ import annotations

import shlex
from datetime import timedelta
from pathlib import Path
from typing import Any, BinaryIO

import click

from .._create.creator import CreateOutcome
from .._protocol.converter import RecordConverter
from ..client import AICCClient
from ..errors import ServerError, TransportError, UnknownOutcome
from ..models import NewCase
from .calls import load
from .connect import client
from .console import RESUME, SERVICE, print_json, run_async, say, showing_warnings
from .operator import journal_at

# Of a tenant, whatever a file is called: a key must mean the same case in all of them.
DEFAULT_JOURNAL = Path("aicc-creates.journal")

AGAIN = "run the same command again: it looks for the case before it sends another"


def journal_client(journal: Path | str, *, list_lag: timedelta, **options: Any) -> AICCClient:
    """Return a client that remembers keys, and looks for what may have been created."""
    remembering = {"journal": journal_at(journal), "on_unknown": "reconcile"}
    writing = remembering | {"list_lag": list_lag.total_seconds()}
    return client(**options, writing=writing)


def create_one(file: BinaryIO, *, key: str, journal: Path | str | None, **options: Any) -> None:
    """Create the case of a JSON record once, and print what became of it."""
    place = journal or DEFAULT_JOURNAL
    aicc = journal_client(place, **options)
    new = load(NewCase, file, RecordConverter(aicc.timezone))

    async def create() -> CreateOutcome:
        async with aicc:
            try:
                [outcome] = [each async for each in aicc.create_cases([(key, new)])]
            except (ServerError, TransportError) as error:
                # It may be that of the list, where a case that may have been created is looked for.
                error.add_note(AGAIN)
                raise
            return outcome

    with showing_warnings():
        outcome = run_async(create(), advice=RESUME)
    if isinstance(outcome.error, UnknownOutcome):
        say(f"UnknownOutcome: {outcome.error}; {_advise(key, place, outcome.error)}")
        raise click.exceptions.Exit(SERVICE)
    if outcome.error:
        raise outcome.error
    print_json({"key": key, "outcome": outcome.status, "caseId": outcome.case_id})


def _advise(key: str, journal: Path | str, error: UnknownOutcome) -> str:
    if error.candidates:
        # The URL of a Redis may hold a password; AICC_JOURNAL has it.
        where = ("--journal", str(journal)) if isinstance(journal, Path) else ()
        words = ("journal", "resolve", key, *where, "--case-id")
        return f"look at {', '.join(error.candidates)}, then: aicc-async {shlex.join(words)} ID"
    return AGAIN

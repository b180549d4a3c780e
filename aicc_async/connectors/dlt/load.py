"""What every load of a source does: read what is new into a file, and prove it complete."""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal
from weakref import finalize

import dlt
from attrs import evolve, field, frozen

from ..._api import CaseApi
from ..._listing.windows import Window
from ..._protocol.converter import dumps
from ...client import AICCClient
from ...errors import ConfigError, ExportError
from ...export import ExportReport, export_cases
from ...export.fingerprint import fingerprint
from ...models import CaseQuery
from .folder import open_folder
from .loop import run_interruptibly
from .open_cases import OpenCases, windows_of
from .reading import Reading, close_all
from .refresh import read_again
from .state import LoadState, covers, next_start, state_after, state_key

# The folder has a target of each name, and what belongs to it.
CASES_FILE, OPEN_FILE = "cases.jsonl", "open.jsonl"
READ_BUFFER_BYTES = 2**20
NAME_DIGITS = 16


@frozen(kw_only=True)
class Load:
    """A source's settings, and a load by them; ``options`` are those of the client."""

    base_url: str | None
    options: Mapping[str, Any] = field(repr=False)
    query: CaseQuery = field(repr=False)
    lookback: timedelta
    refresh: Literal["open"] | None
    strict: bool
    detail: bool

    def check(self) -> None:
        """Raise ConfigError when a setting is wrong."""
        api = self.client().api
        api.windows(self.query)
        if self.refresh and not api.filters_creation:
            raise ConfigError(
                "refresh must be None where the profile's date_field is not createdDate,"
                f" got {self.refresh!r}"
            )

    def client(self) -> AICCClient:
        """Make a client for one load."""
        overrides = {"AICC_BASE_URL": self.base_url} if self.base_url else {}
        return AICCClient.from_env({**os.environ, **overrides}, **self.options)

    def read(self) -> Reading:
        """Read what came since the last load, and what is to be read again."""
        aicc = self.client()
        api = aicc.api
        key = state_key(api, self.query, detail=self.detail)
        first = api.range(self.query).start
        state = self._last_state(key, first)
        start, spans = first, list[Window]()
        if state is not None:
            start = next_start(state, self.lookback)
            spans = windows_of((self.refresh and state.get("open")) or [], start)
        with open_folder(key[:NAME_DIGITS], self._name(api, start)) as folder:
            is_refreshed, report = run_interruptibly(self._read(aicc, start, spans, folder))
            if self.strict:
                require_proof(report)
            # Open, because they are removed now: so a kill leaves nothing of them.
            names = [OPEN_FILE] * bool(spans and is_refreshed) + [CASES_FILE]
            rows = [(folder / name).open("rb", READ_BUFFER_BYTES) for name in names]
        begun = state["start"] if state else (str(first) if first else None)
        breaks = [span.start for span in spans if span.start] + ([start] if start else [])
        reading = Reading(
            rows=rows,
            report=report,
            zone=aicc.timezone,
            key=key,
            state=state_after(report, begun),
            open_cases=OpenCases(breaks, [] if is_refreshed else spans) if self.refresh else None,
        )
        # The table of cases may not be selected: then nobody reads the files, nor closes them.
        finalize(reading, close_all, rows)
        return reading

    def _last_state(self, key: str, first: datetime | None) -> LoadState | None:
        """Return what the last load left; None when all is to be read."""
        state: LoadState | None = dlt.current.resource_state("cases").get(key)
        if state is None or not covers(state, first):
            return None
        # Loads without ``refresh`` do not note which cases are open.
        if self.refresh and state.get("open") is None:
            return None
        return state

    def _name(self, api: CaseApi, start: datetime | None) -> str:
        """Return a name for the folder of a load from a time on, which can resume only itself."""
        query = evolve(self.query, start_time=start)
        described = fingerprint(api, query, since_last=False, detail=self.detail)
        return hashlib.sha256(dumps(described)).hexdigest()[:NAME_DIGITS]

    async def _read(
        self, aicc: AICCClient, start: datetime | None, spans: Sequence[Window], folder: Path
    ) -> tuple[bool, ExportReport]:
        """Read all cases from a time on, and spans again; return whether all of these came."""
        query, path, is_refreshed = evolve(self.query, start_time=start), folder / OPEN_FILE, True
        async with aicc:
            # First: what it learns of the length of pages saves looks behind those of the spans.
            report = await export_cases(aicc, query, folder / CASES_FILE, detail=self.detail)
            try:
                if spans:
                    await read_again(aicc.api, self.query, spans, path, detail=self.detail)
            except ExportError as error:
                if self.strict:
                    raise
                is_refreshed = False
                text = f"cases: open ones are as they were, and read by the next load: {error}"
                warnings.warn(text, RuntimeWarning, stacklevel=2)
        return is_refreshed, report


def require_proof(report: ExportReport) -> None:
    """Raise ExportError when what came is not what was announced."""
    if report.verified:
        return
    window, reason = None, "the whole range was announced with more rows than came"
    if unverified := report.unverified:
        first = unverified[0]
        window = f"{first.start or '…'} to {first.end or '…'}"
        reason = f"{len(unverified)} windows disagreed, first {window}: {first.reason}"
    raise ExportError(
        f"nothing was loaded: {reason}. strict=False loads what there is",
        window=window,
        resume="run it again when fewer cases change",
    )

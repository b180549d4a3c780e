"""What every load of a source does: read what is new into a file, and prove it complete."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import Any
from weakref import finalize

import dlt
from attrs import evolve, field, frozen
from dlt.common.configuration.container import Container
from dlt.common.pipeline import PipelineContext

from ...client import AICCClient
from ...errors import ExportError
from ...export import ExportReport, export_cases
from ...models import CaseQuery
from .loop import run_interruptibly
from .reading import CASES_FILE, Reading
from .state import covers, next_start, state_after, state_key


@frozen(kw_only=True)
class Load:
    """A source's settings, and a load by them; ``options`` are those of the client."""

    base_url: str | None
    options: Mapping[str, Any] = field(repr=False)
    query: CaseQuery = field(repr=False)
    lookback: timedelta
    strict: bool
    detail: bool

    def check(self) -> None:
        """Raise ConfigError when a setting is wrong."""
        self.client().api.windows(self.query)

    def client(self) -> AICCClient:
        """Make a client for one load."""
        overrides = {"AICC_BASE_URL": self.base_url} if self.base_url else {}
        return AICCClient.from_env({**os.environ, **overrides}, **self.options)

    def read(self) -> Reading:
        """Read what came since the last load, and what is to be read again."""
        aicc = self.client()
        key = state_key(aicc.api, self.query, detail=self.detail)
        first = aicc.api.range(self.query).start
        state = dlt.current.resource_state("cases").get(key)
        if state is not None and not covers(state, first):
            state = None
        start = first if state is None else next_start(state, self.lookback)
        folder, report = self._export(aicc, start)
        begun = state["start"] if state else (str(first) if first else None)
        after = state_after(report, begun)
        reading = Reading(folder=folder, report=report, zone=aicc.timezone, key=key, state=after)
        # The table of cases may not be selected: then nobody reads the file, nor removes it.
        finalize(reading, rmtree, folder, ignore_errors=True)
        return reading

    def _export(self, aicc: AICCClient, start: datetime | None) -> tuple[Path, ExportReport]:
        """Export the cases from a time on into a new folder, which is removed if that fails."""
        # ``dlt.current.pipeline()`` would make a pipeline where none runs, as when a source is
        # iterated; the file is then in the system's temporary folder.
        context = Container()[PipelineContext]
        parent = context.pipeline().working_dir if context.is_active() else None
        folder = Path(mkdtemp(prefix="aicc-", dir=parent))

        async def export() -> ExportReport:
            async with aicc:
                query = evolve(self.query, start_time=start)
                return await export_cases(aicc, query, folder / CASES_FILE, detail=self.detail)

        try:
            report = run_interruptibly(export())
            if self.strict:
                require_proof(report)
        except BaseException:
            rmtree(folder)
            raise
        return folder, report


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

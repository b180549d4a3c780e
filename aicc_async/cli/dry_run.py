"""What an export would take, printed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from ..client import AICCClient
from ..export import ExportPlan, plan_export
from ..export.sinks.registry import resolve_target
from ..models import CaseQuery
from .calls import call
from .connect import Reader
from .console import echo

MEGABYTE = 1e6
STANDARD_OUTPUT = "-"


def plan_only(out: str, query: CaseQuery, source: Reader, settings: dict[str, Any]) -> None:
    """Plan an export, and print what it would take."""

    async def plan(aicc: AICCClient) -> tuple[ExportPlan, str]:
        if out != STANDARD_OUTPUT:
            # A name that no export would take is an error before anything is asked.
            resolve_target(out, aicc.timezone, name=settings["format"])
        options = {name: settings[name] for name in ("detail", "settle")}
        found = await plan_export(aicc, query, **options)
        rate = aicc.api.rate_limit
        if rate is None or found.seconds is None:
            return found, "as long as the service takes: there is no rate limit"
        span = timedelta(seconds=round(found.seconds))
        return found, f"{span} at {rate.limit} requests in {rate.per:g} s"

    found, time = call(source, plan)
    whole = f"{found.start or 'the first case'} to {found.end}"
    echo(f"{out}: {found.rows:,} cases in {len(found.windows)} windows, {whole}")
    echo(f"requests: {found.requests:,}, of which {found.asked:,} were sent for this plan")
    echo(f"time: {time}")
    size = "nothing" if found.size is None else f"about {found.size / MEGABYTE:,.1f} MB"
    echo(f"size: {size} as JSON lines")

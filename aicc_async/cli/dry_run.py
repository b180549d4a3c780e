"""What an export would take, printed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from attrs import fields

from ..client import AICCClient
from ..export import ExportPlan, plan_export
from ..export.deletions import check_can_mark
from ..export.sinks.registry import TargetOptions, resolve_target
from ..export.sinks.template_columns import check_columns
from ..models import CaseQuery
from .calls import call
from .connect import Reader
from .console import echo

MEGABYTE = 1e6


def target_options(settings: dict[str, Any]) -> TargetOptions:
    """Return what settings of ``export_cases`` say of how its target is written."""
    options = {each.name: settings[each.name] for each in fields(TargetOptions)}
    return TargetOptions(**options | {"columns": check_columns(settings["columns"])})


def plan_only(
    target: str,
    query: CaseQuery,
    source: Reader,
    settings: dict[str, Any],
    *,
    chosen: TargetOptions,
    name: str | None,
) -> None:
    """Plan an export, and print what it would take; ``name`` is that of a target without one."""

    async def plan(aicc: AICCClient) -> tuple[str, ExportPlan, str]:
        # What no export would take is an error before anything is asked.
        if chosen.mark_deleted:
            check_can_mark(aicc.api, query, replace=chosen.replace)
        found = resolve_target(target, aicc.timezone, name=settings["format"], options=chosen)
        # A URL may have a password, which the target's name has not.
        label = name or found.name
        plan = await plan_export(aicc, query, detail=settings["detail"], settle=settings["settle"])
        rate = aicc.api.rate_limit
        if rate is None or plan.seconds is None:
            return label, plan, "as long as the service takes: there is no rate limit"
        span = timedelta(seconds=round(plan.seconds))
        return label, plan, f"{span} at {rate.limit} requests in {rate.per:g} s"

    label, found, time = call(source, plan)
    whole = f"{found.start or 'the first case'} to {found.end}"
    echo(f"{label}: {found.rows:,} cases in {len(found.windows)} windows, {whole}")
    echo(f"requests: {found.requests:,}, of which {found.asked:,} were sent for this plan")
    if chosen.mark_deleted:
        echo("not counted: a request for each case that --mark-deleted misses, and two more")
    echo(f"time: {time}")
    size = "nothing" if found.size is None else f"about {found.size / MEGABYTE:,.1f} MB"
    echo(f"size: {size} as JSON lines")

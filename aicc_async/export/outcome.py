"""The report of an export that is complete: what is known of its rows, file and requests."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

from .._optional import installed_version
from .checkpoint import Checkpoint
from .history import earlier_runs
from .manifest import ExportReport, OddValues, WholeCount
from .progress import RequestTotals
from .sinks.registry import Target
from .sinks.sink import Written


def build_report(
    target: Target,
    checkpoint: Checkpoint,
    *,
    totals: RequestTotals,
    days: Counter[str],
    whole: WholeCount | None,
    written: Written,
    size: int | None,
    sha256: str | None,
    last: ExportReport | None,
) -> ExportReport:
    """Return the report of an export whose target is whole; ``last`` is that of the run before.

    None when the target has nothing of it any more.
    """
    # It takes milliseconds, which importing the package need not take.
    from platform import python_version  # noqa: PLC0415

    saved, windows = checkpoint.values(), tuple(checkpoint.windows.reports())
    return ExportReport(
        target=target.name,
        format=target.format,
        detail=saved["fingerprint"]["detail"],
        columns=target.columns,
        query=saved["fingerprint"]["query"],
        zone=saved["fingerprint"]["zone"],
        start=saved["start"],
        end=saved["end"],
        began=saved["began"],
        ended=utc_text(),
        runs=saved["runs"],
        seconds=round(totals.seconds, 3),
        rows=days.total(),
        added=written.added,
        deleted=written.deleted,
        without_detail=sum(window.without_detail for window in windows),
        in_target=written.total,
        odd_values={
            name: OddValues(count=each.count, example=each.example)
            for name, each in written.misfits.items()
        },
        # A sink that finds another number commits nothing.
        in_table=days.total() if target.table else None,
        size=size,
        sha256=sha256,
        requests=totals.requests,
        retries=totals.retries,
        throttled=totals.throttled,
        whole=whole,
        windows=windows,
        days=dict(sorted(days.items())),
        earlier=earlier_runs(last, windows, start=saved["start"], in_target=written.total),
        versions={
            **{name: installed_version(name) for name in ("aicc-async", "aiohttp")},
            "python": python_version(),
        },
    )


def utc_text() -> str:
    """Return the present moment as it is in a manifest."""
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"

"""What an export says when it ends."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from ..export import ExportReport

SHOWN = 5  # unverified windows; the manifest has all


def summary(report: ExportReport) -> str:
    """Say in a line what was done, and whether it was proven."""
    rate = report.rows / max(report.seconds, 1e-9)
    size = f"{report.size:,} bytes, " if report.size is not None else ""
    added = f" ({report.added:,} of them written)" if report.added != report.rows else ""
    verdicts = Counter(window.verdict for window in report.windows)
    without = f", {report.without_detail:,} without details" if report.without_detail else ""
    told = ", ".join(f"{number} {verdict}" for verdict, number in sorted(verdicts.items()))
    return (
        f"{report.target}: {report.rows:,} cases{added} in {len(report.windows)} windows ({told}), "
        f"{size}{report.seconds:.1f} s ({rate:,.0f} rows/s), {report.requests} requests, "
        f"{report.retries} retries, {report.throttled} throttles{without}"
    )


def doubts(report: ExportReport) -> Iterator[str]:
    """Say what one should not rely on."""
    for window in report.unverified[:SHOWN]:
        yield f"unverified: {window.start} to {window.end}: {window.reason}"
    if len(report.unverified) > SHOWN:
        yield f"unverified: {len(report.unverified) - SHOWN} windows more; see the manifest"
    if report.whole and not report.whole.agrees:
        yield (
            f"unverified: the service counts {report.whole.announced:,} cases in the whole range,"
            f" its windows brought {report.rows:,}: some may have no date"
        )

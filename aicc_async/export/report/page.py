"""The report page: a manifest as one HTML file that a person looks at."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...errors import ConfigError
from .calendar import calendar_of
from .charts import totals, window_chart
from .verdict import headline, plural
from .window_line import VERDICTS, WindowLine, count, seconds, table, text, window_lines

try:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
except ModuleNotFoundError as error:  # the extra is not installed
    raise ConfigError("a report needs jinja2: pip install 'aicc-async[cli]'") from error

LISTED = 50  # of the worst windows: a page is not the place to read a thousand
MEGABYTE = 1_000_000
SPACE = Environment(
    loader=FileSystemLoader(Path(__file__).parent),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def report_page(manifest: dict[str, Any]) -> str:
    """Write a manifest as one HTML page: no script, no outside resource, light and dark.

    Fields that are missing, null or of another shape are shown as not known; they are no error.
    Texts stay text, whatever they hold. What can't be read as a verdict counts as unverified, so
    that the headline never promises more than the manifest says.
    """
    windows = window_lines(manifest)
    end, lines = totals(manifest, windows)
    bad = sorted((line for line in windows if line.verdict != "verified"), key=_badness)
    page = SPACE.get_template("report.html.jinja").render(
        target=text(manifest.get("target")) or "An export",
        headline=headline(manifest, windows),
        figures=_figures(manifest, windows),
        calendar=calendar_of(manifest),
        windows=windows,
        chart=window_chart(windows),
        totals=lines,
        seconds=end,
        bad=bad[:LISTED],
        unlisted=len(bad[LISTED:]),
        facts=_facts(manifest),
        number=_number,
        plural=plural,
    )
    return page.encode(errors="replace").decode()  # half a surrogate pair can't be in a file


def _badness(line: WindowLine) -> tuple[int, bool, int]:
    missed = abs((line.announced or 0) - (line.kept or 0))
    return VERDICTS.index(line.verdict), not line.reason, -missed


def _number(value: int | None) -> str:
    return "–" if value is None else f"{value:,}"  # noqa: RUF001  (a dash)


def _figures(manifest: dict[str, Any], windows: Sequence[WindowLine]) -> dict[str, str]:
    duration = seconds(manifest.get("seconds"))
    return {
        "Cases in the file": _number(count(manifest.get("rows"))),
        "Added": _number(count(manifest.get("added"))),
        "Windows": _number(len(windows)),
        "Size": _megabytes(count(manifest.get("size"))),
        "Time": "–" if duration is None else _duration(duration),  # noqa: RUF001
        "Runs": _number(count(manifest.get("runs"))),
    }


def _megabytes(size: int | None) -> str:
    if size is None or size < MEGABYTE:
        return "–" if size is None else plural(size, "byte")  # noqa: RUF001
    return f"{size / MEGABYTE:,.1f} MB"


def _duration(value: float) -> str:
    minutes, rest = divmod(round(value), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours:,} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{value:.1f} s"


def _facts(manifest: dict[str, Any]) -> dict[str, str]:
    """Name what the export was; empty values are left out."""
    names = {"From": "start", "To": "end", "Zone": "zone", "Began": "began", "Ended": "ended"}
    size = count(manifest.get("size"))
    facts = {name: text(manifest.get(field)) for name, field in names.items()}
    facts |= {f"Filter {name}": text(value) for name, value in table(manifest.get("query")).items()}
    facts |= {"Format": text(manifest.get("format")), "Bytes": "" if size is None else f"{size:,}"}
    facts |= {"SHA-256": text(manifest.get("sha256"))}
    facts |= {name: text(value) for name, value in table(manifest.get("versions")).items()}
    return {name: value for name, value in facts.items() if value}

"""The report page: a manifest as one HTML file that a person looks at."""

from __future__ import annotations

from pathlib import Path

from ...errors import ConfigError
from ..manifest import ExportReport
from .calendar import calendar_of
from .charts import totals, window_chart
from .texts import duration, figure, number, plural, seconds, shorten, size
from .verdict import headline
from .window_line import VERDICTS, window_line

try:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
except ModuleNotFoundError as error:
    raise ConfigError("jinja2 is missing: pip install 'aicc-async[cli]'") from error

# Of the worst windows: a page is not the place to read a thousand.
MAX_LISTED_WINDOWS = 50
TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def report_page(report: ExportReport) -> str:
    """Return an export's report as one HTML page: no script, no outside resource, light and dark.

    Texts stay text, whatever they hold. A figure that cannot be true, such as a negative total of
    the service, is shown as not known.
    """
    own = [window_line(window) for window in report.windows]
    earlier = [window_line(window) for run in report.earlier for window in run.windows]
    windows = sorted([*earlier, *own], key=lambda line: line.start)
    # Each run has a clock of its own.
    end, lines = totals(report, own)
    bad = [line for line in windows if line.verdict != "verified"]
    bad.sort(
        key=lambda line: (
            VERDICTS.index(line.verdict),
            not line.reason,
            -abs((line.announced or 0) - (line.kept or 0)),
        )
    )
    page = TEMPLATES.get_template("report.html.jinja").render(
        target=shorten(report.target) or "An export",
        headline=headline(report, windows),
        figures={
            "Read in this run": number(figure(report.rows)),
            "Added": number(figure(report.added)),
            "In the target": number(figure(report.in_target)),
            "Windows": number(len(windows)),
            "Size": size(figure(report.size)),
            "Time": duration(seconds(report.seconds)),
            "Runs": number(figure(report.runs)),
        },
        calendar=calendar_of(report),
        windows=windows,
        chart=window_chart(windows),
        totals=lines,
        seconds=end,
        bad=bad[:MAX_LISTED_WINDOWS],
        unlisted=len(bad[MAX_LISTED_WINDOWS:]),
        has_earlier=bool(earlier),
        facts=_facts(report),
        number=number,
        plural=plural,
    )
    # Half a surrogate pair cannot be in a file.
    return page.encode(errors="replace").decode()


def _facts(report: ExportReport) -> dict[str, str]:
    """Name what the export was; empty values are left out."""
    content, in_table = figure(report.size), figure(report.in_table)
    facts = {
        "From": report.start,
        "To": report.end,
        "Zone": report.zone,
        "Began": report.began,
        "Ended": report.ended,
        **{f"Filter {name}": value for name, value in report.query.items()},
        "Format": report.format,
        "Bytes": None if content is None else number(content),
        "SHA-256": report.sha256,
        **{
            f"{name} in extra": f"{plural(each.count, 'case')}, the first is {each.example}"
            for name, each in report.odd_values.items()
        },
        "Ids counted in the table": None if in_table is None else number(in_table),
        **report.versions,
    }
    texts = {name: shorten(value) for name, value in facts.items()}
    return {name: text for name, text in texts.items() if text}

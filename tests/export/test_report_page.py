"""The report page's text, without a browser, and the command that writes it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import example, given
from hypothesis import strategies as st

from aicc_async.cli.commands.export import group
from aicc_async.cli.commands.report import report
from aicc_async.errors import ConfigError
from aicc_async.export.report.calendar import calendar_of
from aicc_async.export.report.charts import totals, window_chart
from aicc_async.export.report.page import LISTED, report_page
from aicc_async.export.report.verdict import headline
from aicc_async.export.report.window_line import text, window_lines

COMMAND = "import aicc_async.cli.commands.report; from aicc_async.cli import main; main()"
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from([2**62, 10**30, "verified", "2025-01-01", "9999-12-31 23:59:59"])
    | st.text(st.characters(codec=None)),  # half surrogate pairs too
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
COUNTS = ("announced", "announced_last", "received", "distinct", "readings", "finished")
TOTALS = ("requests", "retries", "throttled")
WINDOW = ("start", "end", "verdict", "reason", *COUNTS, *TOTALS)
FIELDS = (
    *("target", "format", "query", "zone", "start", "end", "began", "ended", "runs", "seconds"),
    *("rows", "added", "size", "sha256", "whole", "windows", "days", "versions", *TOTALS),
)
LINES = st.lists(JSON | st.dictionaries(st.sampled_from(WINDOW), JSON), max_size=3)
DAYS = st.dictionaries(st.dates().map(str) | st.text(), JSON, max_size=3)
MANIFESTS = st.builds(
    lambda fields, lines, days: fields | {"windows": lines, "days": days},
    st.dictionaries(st.sampled_from(FIELDS), JSON),
    JSON | LINES,
    JSON | DAYS,
)


class Tags(HTMLParser):
    """Counts the elements of a page, and checks that each end tag closes what is open."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.seen: Counter[str] = Counter()
        self.open: list[str] = []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002
        """Count it; a void one closes itself."""
        self.seen[tag] += 1
        if tag not in {"meta", "link"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Close the innermost one."""
        assert self.open.pop() == tag


def window(verdict: str = "verified", **fields: Any) -> dict[str, Any]:
    """Invent a window."""
    start, end = "2025-01-01 00:00:00", "2025-02-01 00:00:00"
    counts = dict.fromkeys(("announced", "received", "distinct"), 10)
    return {"start": start, "end": end, "verdict": verdict, **counts, **fields}


def title(*windows: dict[str, Any], **fields: Any) -> str:
    """Give the headline's title and sentences as one text."""
    manifest = {"windows": list(windows), **fields}
    said = headline(manifest, window_lines(manifest))
    return " | ".join([said.level, said.title, *said.sentences])


def test_an_export_whose_windows_agree_is_proven() -> None:
    """All windows verified or repaired, and the whole agrees: proven complete, in words."""
    assert title(window(), window("repaired"), whole={"announced": 12000, "agrees": True}) == (
        "good | Proven complete | In all 2 windows (1 of them after reading again), what was "
        "received agrees with what the service announced. | "
        "Its count of the whole range, 12,000, agrees too."
    )


def test_a_missing_count_of_the_whole_is_said() -> None:
    """A service that can't count the whole range leaves the windows as the proof, and we say so."""
    assert title(window(), whole=None) == (
        "good | Proven complete | In the one window, what was received agrees with what the "
        "service announced. | It gave no count of the whole range to compare with."
    )


def test_an_unverified_window_is_no_proof() -> None:
    """One window that is not verified is enough to say that nothing is proven."""
    assert title(window(), window("unverified"), whole={"agrees": True}) == (
        "bad | Not proven complete | "
        "1 of 2 windows could not be verified: cases may be missing there."
    )


def test_a_whole_that_disagrees_is_no_proof() -> None:
    """Windows that agree prove nothing when the whole does not."""
    assert title(window(), whole={"announced": 9, "agrees": False}) == (
        "bad | Not proven complete | The service's count of the whole range, 9, disagrees."
    )


def test_open_windows_are_named_in_the_headline() -> None:
    """What is not settled yet is neither proven nor a fault."""
    assert title(window(), window("open"), window("open")) == (
        "open | Proven complete, but for what is still open | In the one settled window, what was "
        "received agrees with what the service announced. | "
        "2 windows ended too recently to be settled: a later run reads them again."
    )
    assert title(window("open")).startswith("open | Nothing is settled yet | 1 window ended")


@pytest.mark.parametrize("verdict", [None, "", "Verified", "perfect", 1, ["verified"]])
def test_an_unknown_verdict_is_no_proof(verdict: Any) -> None:
    """A verdict that we don't know counts as unverified, and its own words are the reason."""
    assert title(window(verdict)).startswith("bad | Not proven")
    (line,) = window_lines({"windows": [window(verdict)]})
    assert line.reason == f"the verdict is {text(verdict) or 'missing'}"


@pytest.mark.parametrize("windows", [None, [], {}, "verified", [None, "verified", 3]])
def test_no_window_is_no_proof(windows: Any) -> None:
    """A manifest without a window that can be read promises nothing."""
    assert headline({"windows": windows}, window_lines({"windows": windows})).level == "none"


@given(MANIFESTS)
@example({"zone": ["\ud800", 10**30, float("nan")], "seconds": 10**400, "target": "\ud800"})
def test_any_object_makes_a_page(manifest: dict[str, Any]) -> None:
    """Whatever a manifest holds, the page is whole, can be written, and has no script."""
    page = report_page(manifest)

    assert page.encode()
    assert Tags(page).seen["script"] == 0


@given(st.text(st.characters(codec="utf-8", exclude_categories=["C"]), min_size=1, max_size=300))
def test_texts_come_out_as_they_went_in(words: str) -> None:
    """The words of a reason are in the page's text once they are read as HTML."""
    seen = []

    class Cells(Tags):
        def handle_data(self, data: str) -> None:
            seen.append(data)

    Cells(report_page({"windows": [window("unverified", reason=words)]}))

    assert words in seen


@pytest.mark.parametrize("words", ["</title><b>", "<script>", "'\"><svg onload=x>", "&lt;i&gt;"])
def test_markup_makes_no_element(words: str) -> None:
    """A page with hostile words has the very elements of a page with tame ones."""

    def page(words: str) -> Counter[str]:
        fields = dict.fromkeys(("target", "zone", "start", "end", "sha256"), words)
        bad = window("unverified", start=words, end=words, reason=words)
        manifest = {**fields, "query": {"a": words}, "versions": {"b": words}, "windows": [bad]}
        return Tags(report_page(manifest)).seen

    assert page(words) == page("tame")


def test_a_long_text_is_cut() -> None:
    """Three hundred characters are enough of a text to know it by."""
    assert text("w" * 300) == "w" * 300
    assert text("w" * 301) == "w" * 300 + "…"
    assert text({"a": ["b", None]}) == '{"a": ["b", null]}'


def test_days_become_squares_of_their_weeks() -> None:
    """The first of January 2025 is the third square of the first week; the 31st is in the fifth."""
    days = {"2025-01-01": 33, "2025-01-31": 1}
    manifest = {"start": "2025-01-01 00:00:00", "end": "2025-01-31 23:59:59", "days": days}

    (year,) = calendar_of(manifest).years
    (month,) = year.months

    assert month.label == "January 2025: 34 cases, most on 2025-01-01: 33"
    assert len(month.squares) == 31
    first, last = month.squares[0], month.squares[-1]
    assert (first.x, first.y, first.label) == (2, 0, "2025-01-01: 33 cases")
    assert (last.x, last.y, last.label) == (4, 4, "2025-01-31: 1 case")
    assert month.squares[1].shade == 0 < last.shade < first.shade


@given(st.dictionaries(st.dates(), st.integers(0, 10**6), min_size=1, max_size=40))
def test_no_day_is_lost_and_the_legend_tells_its_number(days: dict[Any, int]) -> None:
    """Every case stands in a year, a month and a square, whose shade's range holds its number."""
    calendar = calendar_of({"days": {str(day): number for day, number in days.items()}})

    assert sum(year.cases for year in calendar.years) == sum(days.values())
    squares = {
        square.label[:10]: square
        for year in calendar.years
        for month in year.months
        for square in month.squares
    }
    for day, number in days.items():
        if number:
            shade = squares[str(day)].shade
            ends = [int(part.replace(",", "")) for part in calendar.legend[shade - 1].split("–")]  # noqa: RUF001
            assert ends[0] <= number <= ends[-1]


def test_days_that_can_t_be_read_are_counted() -> None:
    """Cases without a day are named beside the calendar; years without a case are, too."""
    calendar = calendar_of({"days": {"": 3, "soon": 4, "2020-02-30": 5, "2020-02-01": 1, "x": -1}})
    assert (calendar.undated, calendar.gaps) == (12, False)
    assert "12 cases" in report_page({"days": {"soon": 12}})
    assert calendar_of({"days": {"2020-02-01": 1, "2022-02-01": 1}}).gaps
    assert calendar_of({"start": "2019-01-01", "days": {"2020-02-01": 1}}).gaps


@given(st.lists(st.sampled_from(["verified", "repaired", "open", "x"]), max_size=500))
def test_many_windows_share_bars(verdicts: list[str]) -> None:
    """However many windows there are, the bars are at most 120, and the lanes count them all."""
    lines = window_lines({"windows": [window(verdict) for verdict in verdicts]})

    chart = window_chart(lines)

    assert len(chart.bars) <= 120
    assert sum(lane.windows for lane in chart.lanes) == len(verdicts)
    wanted = Counter("unverified" if verdict == "x" else verdict for verdict in verdicts)
    assert {lane.verdict: lane.windows for lane in chart.lanes} == wanted
    worst = {bar.x for bar in chart.bars if bar.verdict == "unverified"}
    assert worst == {x for lane in chart.lanes if lane.verdict == "unverified" for x in lane.bars}


def test_a_bar_is_as_high_as_what_was_received() -> None:
    """Bars stand for distinct cases, lines for what was announced last, both of one scale."""
    windows = [
        window(announced=90, announced_last=100, distinct=100, received=110),
        window("unverified", announced=50, distinct=25, received=30, end=None),
        window(announced=None, distinct=None, received=10),
    ]

    chart = window_chart(window_lines({"windows": windows}))

    assert [bar.height for bar in chart.bars] == [100, 25, 10]
    assert chart.announced == "M0 0.00h1M1 50.00h1M2 100.00h1"
    assert chart.bars[1].label == (
        "2025-01-01 00:00:00 to …: unverified, 50 announced, 25 received"
    )
    assert chart.label == "3 windows: 150 cases announced, 135 received"


def test_totals_are_drawn_in_order_of_time() -> None:
    """Windows that ended in another order make one line that steps from left to right."""
    windows = [window(finished=8.0, requests=30), window(finished=2.0, requests=10), window()]
    manifest = {"windows": windows, "seconds": 10.0, "requests": 40, "retries": None}

    end, (requests, retries, _) = totals(manifest, window_lines(manifest))

    assert end == 10
    assert requests.line == "M0 100H200.0V75.0H800.0V25.0H1000.0V0.0H1000"
    assert requests.label == "Requests: 40 after 10.0 s"
    assert (retries.total, retries.line) == (None, "")
    assert retries.label == "Retries: not known after 10.0 s"


def test_the_worst_windows_come_first_and_not_all() -> None:
    """Unverified ones with a reason lead, then those without, repaired ones, open ones."""
    windows = [
        *(window("open", start="O"), window(start="V"), window("repaired", start="R")),
        *(window("unverified", start="U2"), window("unverified", start="U1", reason="moved")),
        window("unverified", start="U0", reason="moved", distinct=1),
    ]
    page = report_page({"windows": windows})
    listed = re.findall(r'data-name="Window"><bdi>(\w+) to', page)

    assert listed == ["U0", "U1", "U2", "R", "O"]
    many = report_page({"windows": [window("open")] * (LISTED + 1_200)})
    assert many.count('data-name="Window"') == LISTED
    assert "The manifest has 1,200 more." in many


def test_numbers_have_separators() -> None:
    """Thousands are separated, sizes and times are for people, the missing is a dash."""
    page = report_page({"rows": 1234567, "size": 8_494_493, "seconds": 3700.2, "windows": []})

    figures = re.findall(r"<dt>([^<]*)</dt><dd>([^<]*)</dd>", page)

    assert dict(figures) == {
        "Cases in the file": "1,234,567",
        "Added": "–",  # noqa: RUF001
        "Windows": "0",
        "Size": "8.5 MB",
        "Time": "1 h 1 min",
        "Runs": "–",  # noqa: RUF001
    }
    assert "8,494,493" in page


def invoke(*args: str | Path) -> None:
    """Run the command in this process; errors come out as they are."""
    CliRunner().invoke(group, ["report", *map(str, args)], catch_exceptions=False)


def test_the_command_writes_the_page(tmp_path: Path) -> None:
    """The file holds the very page, and nothing else was left beside it."""
    manifest, page = tmp_path / "m.json", tmp_path / "r.html"
    manifest.write_text(json.dumps({"target": "é.jsonl", "windows": [window()]}), encoding="utf-8")

    done = CliRunner().invoke(group, ["report", str(manifest), "-o", str(page)])

    assert (done.exit_code, done.stdout) == (0, f"{page}\n")
    assert page.read_text(encoding="utf-8") == report_page(json.loads(manifest.read_text("utf-8")))
    assert sorted(tmp_path.iterdir()) == [manifest, page]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "no JSON"),
        (b'{"id": 1}\n{"id": 2}\n', "no JSON"),
        (b"\xff\x00", "no JSON"),
        (b"[]", "no manifest"),
        (b"null", "no manifest"),
        (b'{"id": "c6m8"}', "no manifest"),
    ],
)
def test_what_is_no_manifest_is_refused(tmp_path: Path, content: bytes, words: str) -> None:
    """The error names the file and what is needed, and no page appears."""
    manifest, page = tmp_path / "m.json", tmp_path / "r.html"
    manifest.write_bytes(content)

    with pytest.raises(ConfigError, match=f"m.json: it is {words}; .*manifest.json"):
        invoke(manifest, "-o", page)

    assert not page.exists()


def test_the_manifest_is_not_written_over(tmp_path: Path) -> None:
    """A page that would replace its own manifest is refused."""
    manifest = tmp_path / "m.json"
    manifest.write_text('{"windows": []}')

    with pytest.raises(ConfigError, match="is the manifest itself"):
        invoke(manifest, "-o", tmp_path / "." / "m.json")

    assert manifest.read_text() == '{"windows": []}'


def test_the_process_ends_with_usage_s_code(tmp_path: Path) -> None:
    """As a process: a page and 0 for a manifest, one line and 2 for the data file."""
    good, bad = tmp_path / "m.json", tmp_path / "cases.jsonl"
    good.write_text('{"windows": []}')
    bad.write_text('{"id": "1"}\n{"id": "2"}\n')

    def run(path: Path) -> subprocess.CompletedProcess[str]:
        line = (sys.executable, "-c", COMMAND, "report", str(path), "-o", str(tmp_path / "r.html"))
        return subprocess.run(line, capture_output=True, text=True, check=False)  # noqa: S603

    refused = run(bad)

    assert (run(good).returncode, refused.returncode) == (0, 2)
    assert re.fullmatch(r"ConfigError: \S*cases\.jsonl: it is no JSON; .*\n", refused.stderr)


def test_without_jinja_the_command_says_what_to_install(tmp_path: Path) -> None:
    """Where the template library is missing, the other commands go on and this one explains."""
    manifest = tmp_path / "m.json"
    manifest.write_text('{"windows": []}')
    hidden = f"import sys; sys.modules['jinja2'] = None; {COMMAND}"
    line = (sys.executable, "-c", hidden, "report", str(manifest), "-o", os.devnull)

    done = subprocess.run(line, capture_output=True, text=True, check=False)  # noqa: S603

    assert done.returncode == 2
    assert "pip install 'aicc-async[cli]'" in done.stderr


def test_the_help_shows_an_example() -> None:
    """The help names the manifest and an example that can be copied."""
    done = CliRunner().invoke(report, ["--help"])

    assert "aicc-async report cases.jsonl.manifest.json -o report.html" in done.stdout

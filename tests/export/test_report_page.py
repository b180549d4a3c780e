"""The report page's text, without a browser, and the command that writes it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import Counter
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from helpers.reports import make_report, make_window, whole
from hypothesis import example, given
from hypothesis import strategies as st

from aicc_async.cli.commands.report import report
from aicc_async.cli.group import group
from aicc_async.errors import ConfigError
from aicc_async.export import EarlierRun, ExportReport, manifest
from aicc_async.export.manifest import WindowVerdict
from aicc_async.export.manifest_json import dump_record
from aicc_async.export.report.calendar import calendar_of
from aicc_async.export.report.charts import totals, window_chart
from aicc_async.export.report.page import MAX_LISTED_WINDOWS, report_page
from aicc_async.export.report.texts import shorten
from aicc_async.export.report.verdict import headline
from aicc_async.export.report.window_line import VERDICTS, WindowLine, window_line

COMMAND = "import aicc_async.cli.commands.report; from aicc_async.cli import main; main()"
# Half surrogate pairs, and totals that cannot be true.
TEXTS = st.text(st.characters(codec=None)) | st.sampled_from(["2025-01-01", "9999-12-31 23:59:59"])
NUMBERS = st.integers() | st.sampled_from([0, 2**62, 2**63, 10**30])
SECONDS = st.floats() | st.integers(0, 100).map(float)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=5,
)
WINDOWS = st.builds(
    make_window,
    st.sampled_from(VERDICTS),
    start=st.none() | TEXTS,
    end=st.none() | TEXTS,
    reason=TEXTS,
    finished=SECONDS,
    **dict.fromkeys(("announced", "announced_last", "received", "distinct", "readings"), NUMBERS),
    **dict.fromkeys(("requests", "retries", "throttled"), NUMBERS),
)
REPORTS = st.builds(
    lambda windows, fields: make_report(*windows, **fields),
    st.lists(WINDOWS, max_size=3),
    st.fixed_dictionaries(
        {
            **dict.fromkeys(("target", "format", "zone", "began", "ended"), TEXTS),
            **dict.fromkeys(("start", "end", "sha256"), st.none() | TEXTS),
            **dict.fromkeys(("runs", "rows", "added", "requests", "retries", "throttled"), NUMBERS),
            "size": st.none() | NUMBERS,
            "seconds": SECONDS,
            "query": st.dictionaries(TEXTS, JSON, max_size=3),
            "whole": st.none() | st.builds(whole, NUMBERS, agrees=st.booleans()),
            "days": st.dictionaries(st.dates().map(str) | TEXTS, NUMBERS, max_size=3),
            "versions": st.dictionaries(TEXTS, TEXTS, max_size=3),
        }
    ),
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


def lines_of(exported: ExportReport) -> list[WindowLine]:
    """Return what the page shows of the windows."""
    return [window_line(window) for window in exported.windows]


def title(exported: ExportReport) -> str:
    """Return the headline's level, title and sentences as one text."""
    head = headline(exported, lines_of(exported))
    return " | ".join([head.level, head.title, *head.sentences])


def test_an_export_whose_windows_agree_is_proven() -> None:
    """All windows verified or repaired, and the whole agrees: proven complete, in words."""
    counts = dict.fromkeys(("announced", "received", "distinct"), 6000)
    windows = (make_window("verified", **counts), make_window("repaired", **counts))
    assert title(make_report(*windows, whole=whole(12000), rows=12000)) == (
        "good | Proven complete | In all 2 windows (1 of them after reading again), what was "
        "received agrees with what the service announced. | "
        "Its count of the whole range, 12,000, agrees too."
    )


def test_a_missing_count_of_the_whole_is_mentioned() -> None:
    """A service that cannot count the whole range leaves the windows as the proof."""
    assert title(make_report(make_window(), whole=None)) == (
        "good | Proven complete | In the one window, what was received agrees with what the "
        "service announced. | It gave no count of the whole range to compare with."
    )


def test_a_count_that_cannot_be_true_is_not_shown() -> None:
    """A negative count of the whole range agrees or not, and is no number to show."""
    assert title(make_report(make_window(), whole=whole(-3))).endswith(
        " | Its count of the whole range agrees too."
    )


def test_an_unverified_window_is_no_proof() -> None:
    """One window that is not verified is enough to say that nothing is proven."""
    windows = (make_window(), make_window("unverified"))
    assert title(make_report(*windows, whole=whole(), rows=10)) == (
        "bad | Not proven complete | "
        "1 of 2 windows could not be verified: cases may be missing there."
    )


def test_a_whole_that_disagrees_is_no_proof() -> None:
    """Windows that agree prove nothing when the whole does not."""
    assert title(make_report(make_window(), whole=whole(9, agrees=False))) == (
        "bad | Not proven complete | The service's count of the whole range, 9, disagrees."
    )


def test_open_windows_are_named_in_the_headline() -> None:
    """What is not settled yet is neither proven nor a fault."""
    assert title(make_report(make_window(), make_window("open"), make_window("open"))) == (
        "open | Proven complete, but for what is still open | In the one settled window, what was "
        "received agrees with what the service announced. | "
        "2 windows ended too recently to be settled: a later run reads them again."
    )
    only_open = title(make_report(make_window("open")))
    assert only_open.startswith("open | Nothing is settled yet | 1 window ended")


def test_no_window_is_no_proof() -> None:
    """A manifest without a window promises nothing."""
    assert headline(make_report(), []).level == "none"


def as_manifest() -> dict[str, Any]:
    """Return the JSON of a manifest that proves a quarter, read in two runs."""
    spans = pairwise(["2024-12-31 23:59:59", "2025-02-01 00:00:00", "2025-03-01 00:00:00"])
    january, february = (make_window(start=start, end=end) for start, end in spans)
    march = make_window(start="2025-02-28 23:59:59", end="2025-04-01 00:00:01")
    run = EarlierRun(
        start="2025-01-01 00:00:00",
        end="2025-02-28 00:00:00",
        ended="2025-03-01T00:00:00Z",
        rows=19,
        added=19,
        windows=(january,),
    )
    exported = make_report(
        *(february, march),
        start="2025-02-01 00:00:01",
        end="2025-04-01 00:00:00",
        rows=19,
        added=9,
        in_target=28,
        whole=whole(19),
        days={"2025-02-02": 10, "2025-03-03": 9},
        earlier=(run,),
    )
    value: dict[str, Any] = json.loads(json.dumps(dump_record(exported)))
    return value


def test_a_manifest_of_two_runs_proves_both(tmp_path: Path) -> None:
    """The page tells what was read, added and is there, and counts the windows of both."""
    source = tmp_path / "m.json"
    source.write_text(json.dumps(as_manifest()))
    exported = manifest.load(source)
    assert exported
    page = report_page(exported)
    assert "<h2>Proven complete</h2>\n<p>In all 3 windows, what" in page
    assert "<p>Earlier runs read 1 of these windows.</p>" in page
    figures = dict(re.findall(r"<dt>([^<]*)</dt><dd>([^<]*)</dd>", page))
    names = ("Read in this run", "Added", "In the target", "Windows")
    assert [figures[name] for name in names] == ["19", "9", "28", "3"]


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        (["version"], 99, "of version 1, got version 99"),
        (["whole", "agrees"], "yes", r"\$\.whole\.agrees must be a boolean, got a string"),
        (["whole", "agrees"], False, "count of the whole range, 19, disagrees"),
        (["whole", "announced"], 9999, "cannot agree: 9,999 against 19"),
        (["windows", 0], ..., "have 10 cases, but it read 19: a window may be missing"),
        (["windows", 1], ..., r"covers what follows 2025-03-01 00:00:00: cases may be missing"),
        (["earlier", 0, "windows", 0], ..., "covers what follows 2025-01-01 00:00:00"),
        (["windows", 1, "announced"], 9999, "1 of 3 windows could not be verified"),
        (["windows", 1, "announced_last"], 9999, "1 of 3 windows could not be verified"),
        (["windows", 1, "distinct"], 9, "1 of 3 windows could not be verified"),
        (["windows", 1, "received"], 9, "1 of 3 windows could not be verified"),
        (["earlier", 0, "windows", 0, "distinct"], 0, "1 of 3 windows could not be verified"),
        (["windows", 1, "start"], "soon", "times of its windows cannot be read"),
        (["end"], "2025-04-01T00:00:00Z", "times of its windows cannot be read"),
        (["rows"], 28, "windows of this run have 20 cases, but it read 28"),
        (["days", "2025-03-03"], 8, "cases per day are not the 19 cases"),
        (["in_target"], 18, "target has fewer cases than this run read"),
    ],
)
def test_a_manifest_that_was_edited_proves_nothing(
    tmp_path: Path, field: list[str | int], value: object, words: str
) -> None:
    """It is refused, or its page says what does not fit."""
    source, edited = tmp_path / "m.json", as_manifest()
    inner: Any = edited
    *path, last = field
    for name in path:
        inner = inner[name]
    if value is ...:
        del inner[last]
    else:
        inner[last] = value
    source.write_text(json.dumps(edited))
    if "must be" in words or "version" in words:
        with pytest.raises(ConfigError, match=words):
            manifest.load(source)
        return
    exported = manifest.load(source)
    assert exported
    page = report_page(exported)
    assert "<h2>Not proven complete</h2>" in page
    assert re.search(words, page)


@given(REPORTS)
@example(make_report(target="\ud800", seconds=float("nan"), query={"x": ["\ud800", 10**30]}))
@example(make_report(target="\ud800", zone="\ud800", seconds=1e308, rows=10**400))
def test_any_report_makes_a_page(exported: ExportReport) -> None:
    """Whatever a report holds, the page is complete, can be written, and has no script."""
    page = report_page(exported)

    assert page.encode()
    assert Tags(page).seen["script"] == 0


@given(st.text(st.characters(codec="utf-8", exclude_categories=["C"]), min_size=1, max_size=300))
def test_texts_come_out_as_they_went_in(words: str) -> None:
    """The words of a reason are in the page's text once they are read as HTML."""
    seen = []

    class Cells(Tags):
        def handle_data(self, data: str) -> None:
            seen.append(data)

    Cells(report_page(make_report(make_window("unverified", reason=words))))

    assert words in seen


@pytest.mark.parametrize("words", ["</title><b>", "<script>", "'\"><svg onload=x>", "&lt;i&gt;"])
def test_markup_makes_no_element(words: str) -> None:
    """A page with hostile words has the very elements of a page with tame ones."""

    def page(words: str) -> Counter[str]:
        fields = dict.fromkeys(("target", "zone", "start", "end", "sha256"), words)
        bad = make_window("unverified", start=words, end=words, reason=words)
        exported = make_report(bad, query={"a": words}, versions={"b": words}, **fields)
        return Tags(report_page(exported)).seen

    assert page(words) == page("tame")


def test_a_long_text_is_cut() -> None:
    """Three hundred characters are enough of a text to know it by."""
    assert shorten("w" * 300) == "w" * 300
    assert shorten("w" * 301) == "w" * 300 + "…"
    assert shorten({"a": ["b", None]}) == '{"a": ["b", null]}'


def test_days_become_squares_of_their_weeks() -> None:
    """The first of January 2025 is the third square of the first week; the 31st is in the fifth."""
    days = {"2025-01-01": 33, "2025-01-31": 1}
    exported = make_report(start="2025-01-01 00:00:00", end="2025-01-31 23:59:59", days=days)

    (year,) = calendar_of(exported).years
    (month,) = year.months

    assert month.label == "January 2025: 34 cases, most on 2025-01-01: 33"
    assert len(month.squares) == 31
    first, last = month.squares[0], month.squares[-1]
    assert (first.x, first.y, first.label) == (2, 0, "2025-01-01: 33 cases")
    assert (last.x, last.y, last.label) == (4, 4, "2025-01-31: 1 case")
    assert month.squares[1].shade == 0 < last.shade < first.shade


@given(st.dictionaries(st.dates(), st.integers(0, 10**6), min_size=1, max_size=40))
def test_no_day_is_lost_and_the_legend_has_its_number(days: dict[Any, int]) -> None:
    """Every case is in a year, a month and a square, whose shade's range holds its number."""
    calendar = calendar_of(make_report(days={str(day): number for day, number in days.items()}))

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


def test_days_that_are_not_dates_are_counted() -> None:
    """Cases without a day are named beside the calendar; years without a case are, too."""
    days = {"": 3, "soon": 4, "2020-02-30": 5, "2020-02-01": 1, "x": -1}
    calendar = calendar_of(make_report(days=days))
    assert (calendar.undated, calendar.gaps) == (12, False)
    assert "12 cases" in report_page(make_report(days={"soon": 12}))
    assert calendar_of(make_report(days={"2020-02-01": 1, "2022-02-01": 1})).gaps
    assert calendar_of(make_report(start="2019-01-01", days={"2020-02-01": 1})).gaps


@given(st.lists(st.sampled_from(VERDICTS), max_size=500))
def test_many_windows_share_bars(verdicts: list[WindowVerdict]) -> None:
    """However many windows there are, the bars are at most 120, and the lanes count them all."""
    chart = window_chart([window_line(make_window(verdict)) for verdict in verdicts])

    assert len(chart.bars) <= 120
    assert sum(lane.windows for lane in chart.lanes) == len(verdicts)
    assert {lane.verdict: lane.windows for lane in chart.lanes} == Counter(verdicts)
    worst = {bar.x for bar in chart.bars if bar.verdict == "unverified"}
    assert worst == {x for lane in chart.lanes if lane.verdict == "unverified" for x in lane.bars}


def test_a_bar_is_as_high_as_what_was_received() -> None:
    """Bars are distinct cases, lines are what was announced last, both of one scale.

    Counts that cannot be true are as good as none.
    """
    windows = [
        make_window(announced=90, announced_last=100, distinct=100, received=110),
        make_window("unverified", announced=50, distinct=25, received=30, end=None),
        make_window(announced=-1, distinct=-1, received=10),
    ]

    chart = window_chart(list(map(window_line, windows)))

    assert [bar.height for bar in chart.bars] == [100, 25, 10]
    assert chart.announced == "M0 0.00h1M1 50.00h1M2 100.00h1"
    assert chart.bars[1].label == (
        "2025-01-01 00:00:00 to …: unverified, 50 announced, 25 received"
    )
    assert chart.label == "3 windows: 150 cases announced, 135 received"


def test_totals_are_drawn_in_order_of_time() -> None:
    """Windows that ended in another order make one line that steps from left to right.

    Times and totals that cannot be true are as good as none.
    """
    windows = [
        make_window(finished=8.0, requests=30, retries=-1),
        make_window(finished=2.0, requests=10, retries=-1),
        make_window(finished=-1.0),
    ]
    exported = make_report(*windows, seconds=10.0, requests=40, retries=-1)

    end, (requests, retries, _) = totals(exported, lines_of(exported))

    assert end == 10
    assert requests.line == "M0 100H200.0V75.0H800.0V25.0H1000.0V0.0H1000"
    assert requests.label == "Requests: 40 after 10.0 s"
    assert (retries.total, retries.line) == (None, "")
    assert retries.label == "Retries: not known after 10.0 s"


def test_the_worst_windows_come_first_and_not_all() -> None:
    """Unverified ones with a reason lead, then those without, repaired ones, open ones."""
    windows = [
        *(make_window("open", start="O"), make_window(start="V")),
        *(make_window("repaired", start="R"), make_window("unverified", start="U2")),
        make_window("unverified", start="U1", reason="moved"),
        make_window("unverified", start="U0", reason="moved", distinct=1),
    ]
    page = report_page(make_report(*windows))
    listed = re.findall(r'data-name="Window"><bdi>(\w+) to', page)

    assert listed == ["U0", "U1", "U2", "R", "O"]
    number = MAX_LISTED_WINDOWS
    many = report_page(make_report(*[make_window("open")] * (number + 1_200)))
    assert many.count('data-name="Window"') == number
    assert "The manifest has 1,200 more." in many


def test_numbers_have_separators() -> None:
    """Thousands are separated, sizes and times are for people, the unknown is a dash."""
    page = report_page(
        make_report(
            rows=1234567, in_target=1234569, size=8_494_493, seconds=3700.2, added=-1, runs=10**30
        )
    )

    figures = re.findall(r"<dt>([^<]*)</dt><dd>([^<]*)</dd>", page)

    assert dict(figures) == {
        "Read in this run": "1,234,567",
        "Added": "–",  # noqa: RUF001
        "In the target": "1,234,569",
        "Windows": "0",
        "Size": "8.5 MB",
        "Time": "1 h 1 min",
        "Runs": "–",  # noqa: RUF001
    }
    assert "8,494,493" in page


def test_the_ids_that_a_table_had_are_shown() -> None:
    """Of a table their number is a fact; a file has none, and what cannot be true is left out."""
    label = "Ids counted in the table"
    page = report_page(make_report(format="sqlite", in_table=12_345))
    assert f"<bdi>{label}</bdi></dt><dd><bdi>12,345</bdi>" in page
    assert label not in report_page(make_report())
    assert label not in report_page(make_report(in_table=-1))


def invoke(*args: str | Path) -> None:
    """Run the command in this process; errors come out as they are."""
    CliRunner().invoke(group, ["report", *map(str, args)], catch_exceptions=False)


def test_the_command_writes_the_page(tmp_path: Path) -> None:
    """The file holds the very page, and nothing else was left beside it."""
    source, page = tmp_path / "m.json", tmp_path / "r.html"
    exported = make_report(make_window(), target="é.jsonl")
    manifest.save(exported, source)

    done = CliRunner().invoke(group, ["report", str(source), "-o", str(page)])

    assert (done.exit_code, done.stdout) == (0, f"{page}\n")
    assert page.read_text(encoding="utf-8") == report_page(exported)
    assert sorted(tmp_path.iterdir()) == [source, page]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "invalid JSON"),
        (b'{"id": 1}\n{"id": 2}\n', "invalid JSON"),
        (b"\xff\x00", "invalid JSON"),
        (b"[]", r"\$ must be an object, got an array"),
        (b"null", r"\$ must be an object, got null"),
        (b'{"id": "c6m8"}', "got no version"),
        (b'{"version": 2}', "of version 1, got version 2"),
        (b'{"version": 1}', r"\$.target is missing \(and 13 more\)"),
    ],
)
def test_what_is_not_a_manifest_is_refused(tmp_path: Path, content: bytes, words: str) -> None:
    """The error names the file and what is expected, and no page appears."""
    source, page = tmp_path / "m.json", tmp_path / "r.html"
    source.write_bytes(content)

    with pytest.raises(ConfigError, match=f"m.json must be .*manifest.json.*{words}"):
        invoke(source, "-o", page)

    assert not page.exists()


def test_the_manifest_is_not_written_over(tmp_path: Path) -> None:
    """A page that would replace its own manifest is refused."""
    source = tmp_path / "m.json"
    manifest.save(make_report(), source)
    before = source.read_bytes()

    with pytest.raises(ConfigError, match="--output must not be the manifest itself"):
        invoke(source, "-o", tmp_path / "." / "m.json")

    assert source.read_bytes() == before


def test_the_process_ends_with_usage_s_code(tmp_path: Path) -> None:
    """As a process: a page and 0 for a manifest, one line and 2 for the data file."""
    good, bad = tmp_path / "m.json", tmp_path / "cases.jsonl"
    manifest.save(make_report(), good)
    bad.write_text('{"id": "1"}\n{"id": "2"}\n')

    def run(path: Path) -> subprocess.CompletedProcess[str]:
        line = (sys.executable, "-c", COMMAND, "report", str(path), "-o", str(tmp_path / "r.html"))
        return subprocess.run(line, capture_output=True, text=True, check=False)  # noqa: S603

    refused = run(bad)

    assert (run(good).returncode, refused.returncode) == (0, 2)
    assert re.fullmatch(
        r"ConfigError: \S*cases\.jsonl must be .*, got invalid JSON\n", refused.stderr
    )


def test_without_jinja_the_command_says_what_to_install(tmp_path: Path) -> None:
    """Where the template library is missing, other commands work and this one explains."""
    source = tmp_path / "m.json"
    manifest.save(make_report(), source)
    hidden = f"import sys; sys.modules['jinja2'] = None; {COMMAND}"
    line = (sys.executable, "-c", hidden, "report", str(source), "-o", os.devnull)

    done = subprocess.run(line, capture_output=True, text=True, check=False)  # noqa: S603

    assert done.returncode == 2
    assert "pip install 'aicc-async[cli]'" in done.stderr


def test_the_help_shows_an_example() -> None:
    """The help names the manifest and an example that can be copied."""
    done = CliRunner().invoke(report, ["--help"])

    assert "aicc-async report cases.jsonl.manifest.json -o report.html" in done.stdout

"""The report page in a real browser: nothing overflows, runs, or leaves the page."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from helpers.reports import make_report, make_window, whole

from aicc_async.export import ExportReport, WindowReport
from aicc_async.export.manifest import WindowVerdict
from aicc_async.export.report.page import report_page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(not CHROMIUM, reason="no chromium (Debian's package) on PATH")
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--disable-dev-shm-usage", "--remote-debugging-pipe"),
)
LAUNCH = """
import os, sys
os.dup2(int(sys.argv[1]), 3), os.dup2(int(sys.argv[2]), 4)
os.execv(sys.argv[3], sys.argv[3:])
"""
WIDTHS, THEMES = (360, 1400), ("light", "dark")
HEIGHT = 900
LONG = "w" * 3000
HOSTILE = "<script>alert(1)</script></title></style><img src=http://192.0.2.1/x onerror=alert(2)>"
OVERFLOWING = """
[...document.querySelectorAll('body *')].filter(element => {
  const box = element.getBoundingClientRect();
  return box.right > innerWidth + 0.5 || box.left < -0.5 || element.scrollWidth > innerWidth;
}).map(element => element.outerHTML.slice(0, 200))
"""
FIT = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
MADE = "document.querySelectorAll('script, img, iframe, object, [onerror], [onload]').length"


class Browser:
    """A Chromium that is spoken to over its debugging pipe: JSON, each ended by a zero byte."""

    def __init__(self, folder: Path) -> None:
        read, self._write = os.pipe()
        self._read, write = os.pipe()
        self._process = subprocess.Popen(  # noqa: S603
            [
                *(sys.executable, "-c", LAUNCH, str(read), str(write)),
                *(str(CHROMIUM), *FLAGS, f"--user-data-dir={folder}", "about:blank"),
            ],
            pass_fds=(read, write),
            stderr=subprocess.DEVNULL,
        )
        os.close(read)
        os.close(write)
        self._rest, self._id, self._session = b"", 0, ""
        self.events: list[dict[str, Any]] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def close(self) -> None:
        """End the browser that was started here."""
        self._session = ""
        self.call("Browser.close")
        self._process.wait()
        os.close(self._write)
        os.close(self._read)

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Run a method and return its result; what happens meanwhile is kept in ``events``."""
        self._id += 1
        message: dict[str, Any] = {"id": self._id, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while (answer := self._receive()).get("id") != self._id:
            self.events.append(answer)
        assert "error" not in answer, answer
        result: dict[str, Any] = answer["result"]
        return result

    def open(self, page: Path, width: int, theme: str) -> None:
        """Load a page at a width and in a theme, and wait until it is there."""
        size = {"width": width, "height": HEIGHT, "deviceScaleFactor": 1, "mobile": False}
        self.call("Emulation.setDeviceMetricsOverride", **size)
        scheme = {"name": "prefers-color-scheme", "value": theme}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        self.events.clear()
        self.call("Page.navigate", url=page.as_uri())
        while "Page.loadEventFired" not in self.happened():
            self.events.append(self._receive())

    def happened(self) -> set[str]:
        """Name the events since the page was opened."""
        return {event["method"] for event in self.events}

    def requests(self) -> set[str]:
        """Name every address that was asked for since the page was opened."""
        sent = [e for e in self.events if e["method"] == "Network.requestWillBeSent"]
        return {event["params"]["request"]["url"] for event in sent}

    def ask(self, expression: str) -> Any:
        """Evaluate JavaScript in the page."""
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def _receive(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            piece = os.read(self._read, 1 << 20)
            assert piece, "the browser ended"
            self._rest += piece
        message, _, self._rest = self._rest.partition(b"\0")
        answer: dict[str, Any] = json.loads(message)
        return answer


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Run one browser for all tests of this file."""
    browser = Browser(tmp_path_factory.mktemp("chromium"))
    yield browser
    browser.close()


def small() -> ExportReport:
    """Invent the report of an export of one quarter that went well."""
    days = {str(at): 20 + at.toordinal() * 7 % 30 for at in _dates("2025-01-01", 90)}
    windows = [
        _window("2025-01-01", 31, number=1, verdict="verified"),
        _window("2025-02-01", 28, number=2, verdict="repaired", reason="agreed at reading 2"),
        _window("2025-03-01", 31, number=3, verdict="verified"),
    ]
    return _report(days, windows)


def large() -> ExportReport:
    """Invent the report of ten years in 1,000 windows, some of them bad."""
    days = {
        str(at): (at.toordinal() * 7919 % 4000) * (at.weekday() < 5)
        for at in _dates("2016-01-01", 3653)
    }
    verdicts: dict[int, WindowVerdict] = {
        41: "unverified",
        500: "unverified",
        77: "repaired",
        311: "repaired",
    }
    windows = [
        _window(
            "2016-01-01",
            4,
            number=number,
            verdict="open" if number > 997 else verdicts.get(number, "verified"),
            reason="the total moved at each of 5 readings" if number in {41, 500} else "",
        )
        for number in range(1, 1001)
    ]
    return evolve(_report(days, windows), rows=9_876_543_210)


def hostile() -> ExportReport:
    """Invent a report whose every text wants to be more than text, and figures that are absurd."""
    texts = dict.fromkeys(("start", "end", "reason"), HOSTILE + LONG)
    unknown = dict.fromkeys(("announced", "received", "distinct", "readings", "requests"), -1)
    bad = make_window("unverified", **texts, **unknown, finished=-1.0)
    windows = [bad, evolve(bad, announced=2**62, announced_last=2**62, received=2**62)]
    return make_report(
        *windows * 30,
        seconds=1.8,
        throttled=5,
        target=HOSTILE + LONG,
        query={HOSTILE: LONG, LONG: HOSTILE, "title": "\u202egnp.exe\ud800"},
        versions={LONG: HOSTILE},
        **dict.fromkeys(("zone", "start", "end", "began", "ended", "format", "sha256"), HOSTILE),
        **dict.fromkeys(("rows", "added", "size", "runs", "requests", "retries"), 2**62),
        days={HOSTILE: 2**62, "2025-01-01": 2**62, "9999-12-31": 1, "0001-01-01": 1},
        whole=whole(2**62, agrees=False),
    )


def empty() -> ExportReport:
    """Return a report that says as little as a manifest can."""
    unknown = ("runs", "rows", "added", "requests", "retries", "throttled")
    return make_report(format="", seconds=-1.0, **dict.fromkeys(unknown, -1))


def _dates(first: str, number: int) -> list[datetime]:
    return [datetime.fromisoformat(first) + timedelta(day) for day in range(number)]


def _report(days: dict[str, int], windows: list[WindowReport]) -> ExportReport:
    days = {name[:10]: number for name, number in days.items()}
    return make_report(
        *windows,
        target="cases.jsonl",
        format="jsonl",
        query={"priority": "High", "contactPhone": "(hidden)"},
        zone="Asia/Shanghai",
        start=f"{min(days)} 00:00:00",
        end=f"{max(days)} 23:59:59",
        began="2026-11-22T06:00:00Z",
        ended="2026-11-22T06:10:00Z",
        runs=2,
        seconds=len(windows) * 0.5 + 0.3,
        rows=sum(days.values()),
        added=sum(days.values()),
        size=8_494_493,
        sha256="3b" * 32,
        requests=len(windows) * 11 + 1,
        retries=33,
        throttled=5,
        whole=whole(sum(days.values())),
        days=days,
        versions={"aicc-async": "0.1.0", "python": "3.11.7", "aiohttp": "3.14.5"},
    )


def _window(
    first: str, length: int, *, number: int, verdict: WindowVerdict, reason: str = ""
) -> WindowReport:
    start = datetime.fromisoformat(first) + timedelta(length * (number - 1) * (number > 3))
    announced = 600 + number * 7919 % 500
    kept = announced - 40 * (verdict == "unverified")
    return make_window(
        verdict,
        start=str(start),
        end=str(start + timedelta(length)),
        reason=reason,
        announced=announced + (number == 41),
        announced_last=announced,
        received=kept + 10,
        distinct=kept,
        readings=1 if verdict == "verified" else 3,
        finished=number * 0.5,
        requests=number * 11,
        retries=number // 30,
        throttled=number // 200,
    )


REPORTS = (small, large, hostile, empty)


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Write the page of each report."""
    folder = tmp_path_factory.mktemp("pages")
    pages = {make.__name__: folder / f"{make.__name__}.html" for make in REPORTS}
    for make in REPORTS:
        pages[make.__name__].write_text(report_page(make()), encoding="utf-8")
    return pages


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", [make.__name__ for make in REPORTS])
def test_nothing_overflows(
    browser: Browser, pages: dict[str, Path], name: str, width: int, theme: str
) -> None:
    """No page is wider than its window, nor is anything within it."""
    browser.open(pages[name], width, theme)

    assert browser.ask(FIT)
    assert browser.ask(OVERFLOWING) == []


@pytest.mark.parametrize("theme", THEMES)
def test_the_theme_is_the_reader_s(browser: Browser, pages: dict[str, Path], theme: str) -> None:
    """A page is dark on light in a light theme, and light on dark in a dark one."""
    browser.open(pages["small"], 1400, theme)
    lightness = "(name) => getComputedStyle(document.body)[name].match(/\\d+/g).map(Number)[0]"

    page = browser.ask(f"({lightness})('backgroundColor')")
    text = browser.ask(f"({lightness})('color')")

    assert (page > 200 and text < 60) if theme == "light" else (page < 60 and text > 200)


@pytest.mark.parametrize("name", [make.__name__ for make in REPORTS])
def test_nothing_runs_and_nothing_is_fetched(
    browser: Browser, pages: dict[str, Path], name: str
) -> None:
    """A page asks for itself alone, makes no element of a text, opens no dialog, logs nothing."""
    browser.open(pages[name], 1400, "light")

    assert browser.ask(MADE) == 0
    assert browser.requests() - {"data:,"} == {pages[name].as_uri()}
    noises = {"Page.javascriptDialogOpening", "Log.entryAdded", "Runtime.exceptionThrown"}
    assert not browser.happened() & noises


def test_a_page_that_runs_and_fetches_is_noticed(browser: Browser, tmp_path: Path) -> None:
    """The checks above see what is there: a script, an image from elsewhere, a box too wide."""
    bad = tmp_path / "bad.html"
    bad.write_text("<body><script>1</script><img src=x.png><p style='width:9999px'>x</p>")

    browser.open(bad, 360, "light")

    assert browser.ask(MADE) == 2
    assert browser.requests() == {bad.as_uri(), (tmp_path / "x.png").as_uri()}
    assert not browser.ask(FIT)
    assert browser.ask(OVERFLOWING)


def test_hostile_texts_are_seen_as_texts(browser: Browser, pages: dict[str, Path]) -> None:
    """A title, a reason, a filter and a version that look like markup are there as written."""
    browser.open(pages["hostile"], 1400, "light")
    shown = "[...document.querySelectorAll('{}')].some(e => e.innerText.includes({}))"

    assert browser.ask("document.title").startswith("Not proven complete: <script>alert(1)")
    for place in ("h1", "td[data-name=Reason]", "td[data-name=Window]", "dt", "dd"):
        assert browser.ask(shown.format(place, json.dumps(HOSTILE)))


def test_the_graphics_have_alternatives(browser: Browser, pages: dict[str, Path]) -> None:
    """Every graphic but the headline's mark has a role and a text, every day and bar a title."""
    browser.open(pages["large"], 1400, "light")
    graphics = "[...document.querySelectorAll('svg:not([aria-hidden])')]"
    named = "e.getAttribute('role') === 'img' && e.getAttribute('aria-label')"

    assert browser.ask(f"{graphics}.length") == 120 + 1 + 4 + 3
    assert browser.ask(f"{graphics}.every(e => {named})")
    untitled = (
        "document.querySelectorAll('.month rect:not(:has(title)), .plot rect:not(:has(title))')"
    )
    assert browser.ask("document.querySelectorAll('.month rect > title').length") == 3653
    assert browser.ask(f"{untitled}.length") == 0


def test_bars_and_lanes_are_where_their_windows_are(
    browser: Browser, pages: dict[str, Path]
) -> None:
    """The lane of unverified windows marks the very bars that are drawn as such."""
    browser.open(pages["large"], 360, "dark")
    places = "[...document.querySelectorAll('{} rect.unverified')].map(place)"
    middle = "const place = e => Math.round(e.getBoundingClientRect().x);"

    bars, lanes = (
        browser.ask(f"(() => {{ {middle} return {places.format(where)} }})()")
        for where in (".plot", ".lane")
    )

    assert len(bars) == 2
    assert bars == pytest.approx(lanes, abs=1)

"""The README's lines about speed: a sentence each, with the figure that was measured last."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from report import show
from results import Result

README = Path(__file__).parent.parent / "README.md"
BEGIN, END = "<!-- figures -->\n", "<!-- end of figures -->\n"

# By bench and figure, as ``RESULTS.md`` names them; a figure that nobody measured has no line.
SENTENCES = {
    ("export", "export to JSON lines, of the bare loop's rows/s"): (
        "A verified, synced export reaches {} % of the speed of a bare loop that parses and writes"
    ),
    ("iterate", "iter_cases, of the bare loop's rows/s"): (
        "Typed cases one by one come at {} % of the speed of the bare loop's dicts"
    ),
    ("decode", "page of typed rows / orjson.loads"): (
        "A page of 100 typed rows costs {} times what `orjson.loads` takes"
    ),
    ("memory", "peak memory, 1,000,000 rows in ten years"): (
        "An export of a million rows peaks at {} MB"
    ),
    ("latency", "export at 200 ms / ideal"): (
        "At 200 ms an export takes {} times the ideal, 16 requests at a time"
    ),
    ("create", "create / bare post, CPU"): "A create costs {} times the CPU of a bare post",
    ("requests", "100,000 a year: sent / needed"): (
        "A verified export of 100,000 rows a year sends {} times the fewest requests"
    ),
    ("pace", "50/s, default, 80 ms: time / least possible"): (
        "A limit of 50/s takes {} times the least possible time at 80 ms"
    ),
    ("watch", "requests an hour when nothing happens"): (
        "A watch of 100,000 cases, every 30 s, sends {} requests an hour when nothing happens"
    ),
    ("watch", "state, per case"): (
        "Its state takes {} bytes a case; new ones are told by the next look, changes in an hour"
    ),
}


def fill_readme(kept: dict[str, Any]) -> None:
    """Replace the lines between the two comments."""
    text = README.read_text()
    before, _, rest = text.partition(BEGIN)
    after = rest.partition(END)[2]
    assert rest, f"README.md must contain {BEGIN.strip()}"
    README.write_text(before + BEGIN + "".join(write_lines(kept)) + END + after)


def write_lines(kept: dict[str, Any]) -> list[str]:
    """Return the lines."""
    lines = []
    for (bench, name), sentence in SENTENCES.items():
        for fields in kept["benches"].get(bench, {}).get("results", []):
            result = Result(**fields)
            if result.name == name:
                lines.append(f"- {sentence.format(show(result.median))} (`bench_{bench}`).\n")
    return lines

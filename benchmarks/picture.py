"""The README's picture: other ways to read all cases, and this one. It is an SVG without scripts.

Light and dark are one file: the colours are variables that the reader's scheme decides on.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path
from statistics import median
from typing import Any

from peers.comparison import MOVES, Comparison, Moved, load_comparisons, show_median
from peers.environments import OURS

NAMESPACE = "http://www.w3.org/2000/svg"
PICTURE = Path(__file__).parent / "results.svg"
WIDTH, TOP, STEP, BAR = 880, 104, 32, 16
NAME_X, MEMORY_X, LOST_X = 24, 716, 856
# Where a panel of bars begins, and how long its longest bar is; the label comes after it.
PANELS = {0: (190, 160), 50: (440, 150)}
STYLE = """
svg { --back: #ffffff; --edge: #d1d9e0; --ink: #1f2328; --soft: #59636e;
  --ours: #0969da; --other: #afbccb; --bad: #bc4c00; }
@media (prefers-color-scheme: dark) {
  svg { --back: #0d1117; --edge: #3d444d; --ink: #e6edf3; --soft: #9198a1;
    --ours: #4493f8; --other: #4b5868; --bad: #f0883e; }
}
text { font: 13px -apple-system, "Segoe UI", "Noto Sans", Helvetica, Arial, sans-serif;
  fill: var(--ink); }
.title { font-size: 16px; font-weight: 600; }
.soft { fill: var(--soft); font-size: 12px; }
.end { text-anchor: end; }
.strong { font-weight: 600; }
.ours { fill: var(--ours); }
.other { fill: var(--other); }
.bad { fill: var(--bad); }
.back { fill: var(--back); stroke: var(--edge); }
.line { stroke: var(--edge); }
"""


def draw(kept: dict[str, Any]) -> None:
    """Write the picture, if the peers were measured."""
    if "peers" not in kept["benches"]:
        return
    found = [
        each for each in load_comparisons(kept["benches"]["peers"]["results"]) if not each.problem
    ]
    found.sort(key=lambda each: median(each.rates[0]), reverse=True)
    height = TOP + STEP * len(found) + 44
    parts = [
        f'<svg xmlns="{NAMESPACE}" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}"',
        f'height="{height}" role="img" aria-labelledby="title">',
        f'<title id="title">{escape(_summary(found))}</title>',
        f"<style>{STYLE}</style>",
        f'<rect class="back" x="0.5" y="0.5" width="{WIDTH - 1}" height="{height - 1}" rx="8"/>',
        *_heads(),
    ]
    for number, each in enumerate(found):
        parts += _row(each, found, TOP + STEP * number)
    note = "Whole processes, start included. Spread, commands, and what the others do better:"
    parts += [_text(NAME_X, height - 18, f"{note} benchmarks/RESULTS.md", "soft"), "</svg>"]
    PICTURE.write_text("\n".join(parts) + "\n")


def _summary(found: Sequence[Comparison]) -> str:
    """Describe it for those who cannot see it."""
    rates = [f"{each.title} {median(each.rates[0]):,.0f}" for each in found]
    return "Rows a second into JSON lines, no latency: " + ", ".join(rates)


def _heads() -> list[str]:
    """Return the title and what is above the columns."""
    parts = [_text(NAME_X, 34, "All cases into JSON lines", "title")]
    for latency, (x, _) in PANELS.items():
        name = f"at {latency} ms latency" if latency else "no latency"
        parts += [_text(x, 68, "rows a second", "strong"), _text(x, 85, name, "soft")]
    for x, head, more in (
        (MEMORY_X, "memory", "peak, MB"),
        (LOST_X, "lost + doubled", f"{MOVES} deleted, {MOVES} inserted"),
    ):
        parts += [_text(x, 68, head, "strong end"), _text(x, 85, more, "soft end")]
    return [*parts, f'<path class="line" d="M{NAME_X} 94H{LOST_X}"/>']


def _row(each: Comparison, found: Sequence[Comparison], top: int) -> list[str]:
    """Return a program's name, bars and figures."""
    kind = "ours" if each.name == OURS.name else "other"
    weight = "strong" if kind == "ours" else ""
    base = top + BAR + 5
    parts = [_text(NAME_X, base, each.title, weight)]
    for latency, (x, longest) in PANELS.items():
        rates = each.rates.get(latency)
        if not rates:
            continue
        most = max(median(other.rates[latency]) for other in found)
        width = max(longest * median(rates) / most, 1.5)
        place = f'x="{x}" y="{top + 8}" width="{width:.1f}" height="{BAR}"'
        parts.append(f'<rect class="{kind}" {place} rx="2"/>')
        parts.append(_text(x + width + 6, base, show_median(rates), weight))
    parts.append(_text(MEMORY_X, base, show_median(each.megabytes), f"{weight} end"))
    if each.deleted and each.inserted:
        parts += _moved(each.deleted, each.inserted, base)
    return parts


def _moved(deleted: Moved, inserted: Moved, base: int) -> list[str]:
    """Return how many cases are lost and doubled."""
    lost, doubled = deleted.lost + inserted.lost, deleted.doubled + inserted.doubled
    kind = "bad" if lost + doubled else "ours"
    return [_text(LOST_X, base, f"{lost} + {doubled}", f"{kind} strong end")]


def _text(x: float, y: float, text: str, kind: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y}" class="{kind.strip()}">{escape(text)}</text>'

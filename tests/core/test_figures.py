"""The README's figures, and those of its picture, are the ones that were measured last."""

import re
import runpy
from collections import defaultdict
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
REPORT = (ROOT / "benchmarks" / "RESULTS.md").read_text(encoding="utf-8")
PICTURE = ET.parse(ROOT / "benchmarks" / "results.svg")  # noqa: S314  (ours)


def medians() -> dict[str, set[str]]:
    """Return the medians of each bench in the report."""
    found = defaultdict(set)
    for name, median in re.findall(
        r"^\| `python benchmarks/(\w+)\.py` \|[^|]+\| (\S+) ", REPORT, re.MULTILINE
    ):
        found[name].add(median)
    return found


def test_readme_shows_the_measured_figures() -> None:
    """Each line about speed has a median of the bench that it names."""
    section = README.partition("<!-- figures -->\n")[2].partition("<!-- end of figures -->")[0]
    known = medians()
    lines = section.splitlines()
    assert 0 < len(lines) <= 10
    for line in lines:
        [name] = re.findall(r"`(bench_\w+)`", line)
        assert known[name] & set(re.findall(r"[\d.,]*\d", line)), line


def test_picture_shows_the_measured_figures() -> None:
    """Each number in the picture is in the report, and the picture runs no script."""
    tags = {element.tag.rpartition("}")[2] for element in PICTURE.iter()}
    assert tags == {"svg", "title", "style", "rect", "path", "text"}
    texts = [element.text or "" for element in PICTURE.iter() if element.tag.endswith("}text")]
    numbers = [text for text in texts if re.fullmatch(r"[\d.,]+", text)]
    assert numbers
    assert not [number for number in numbers if f" {number} " not in REPORT]


@pytest.mark.parametrize(
    ("median", "before", "is_higher_better", "fallen"),
    [
        (1.3, None, False, False),
        (1.4, None, False, True),
        # What was missed before is no fall.
        (1.4, 1.2, False, False),
        (1.6, 1.2, False, True),
        # What was better than the target before may come back to it.
        (1.3, 0.5, False, False),
        (0.7, None, True, False),
        (0.6, None, True, True),
        (0.6, 0.8, True, False),
        (0.4, 0.8, True, True),
    ],
)
def test_a_ratio_falls_by_more_than_a_third_of_its_target(
    median: float, before: float | None, is_higher_better: bool, fallen: bool
) -> None:
    """A quick run is compared with the target, or with what missed it when it was measured last."""
    summarize = runpy.run_path(str(ROOT / "benchmarks" / "results.py"))["summarize"]
    result = summarize("a / b", [median], unit="x", target=1.0, is_higher_better=is_higher_better)
    assert result.has_fallen(before) is fallen

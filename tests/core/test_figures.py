"""The README's figures, and those of its picture, are the ones that were measured last."""

import re
from collections import defaultdict
from pathlib import Path
from xml.etree import ElementTree as ET

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

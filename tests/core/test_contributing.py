"""The contributor's page: the files and names that it leads to are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from helpers.recipes import ROOT

TEXT = (ROOT / ".github/CONTRIBUTING.md").read_text(encoding="utf-8")
PATH = re.findall(r"^\d+\. `(aicc_async/[^`]+)`:", TEXT, re.MULTILINE)
PLACES = re.findall(r"^\| [^|]*\| `([^`]+)` \| (.*) \|$", TEXT, re.MULTILINE)
QUESTIONS = {
    "the back-off",
    "the byte bound of a title",
    "a CSV column",
    "a fault of the emulator",
    "the page size",
}


def source_of(place: str) -> str:
    """Return the text of a file, or of all files of a folder."""
    path = ROOT / place
    files = sorted(path.rglob("*.py")) if path.is_dir() else [path]
    return "\n".join(file.read_text(encoding="utf-8") for file in files)


def test_the_reading_path_is_ten_files() -> None:
    """They are there, and each begins with more than a line."""
    assert len(set(PATH)) == 10
    assert all((ROOT / path).is_file() for path in PATH)


def test_the_five_questions_are_answered() -> None:
    """Each has a row of its own."""
    assert set(re.findall(r"^\| ([^|`]+) \| `", TEXT, re.MULTILINE)) == QUESTIONS


@pytest.mark.parametrize(("place", "names"), PLACES)
def test_where_to_change_is_still_there(place: str, names: str) -> None:
    """Each name is defined or used where the page says."""
    source = source_of(place)
    for name in re.findall(r"`([^`]+)`", names):
        assert re.search(rf"\b{re.escape(name)}\b", source), f"{name} is not in {place}"


def test_titles_have_the_bound_that_is_changed_there() -> None:
    """The three records have it, and no other title of a case is sent."""
    source = source_of("aicc_async/models/cases.py")
    assert len(re.findall(r"^    title: .*text\(128\b", source, re.MULTILINE)) == 3


def test_the_tests_that_it_runs_are_there() -> None:
    """Its commands name files that exist."""
    files = set(re.findall(r"pytest (tests/\S+)", TEXT)) | set(re.findall(r"`(tests/[^`]+)`", TEXT))
    assert files
    assert all(Path(ROOT / file).is_file() for file in files)

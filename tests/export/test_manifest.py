"""The manifest: what was saved is loaded, and what is not a manifest is refused by its path."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import attrs
import pytest
from helpers.reports import make_report, make_window, whole
from hypothesis import example, given
from hypothesis import strategies as st

from aicc_async import ConfigError
from aicc_async.export import ExportReport, WindowReport, manifest
from aicc_async.export.manifest_json import dump_record
from aicc_async.export.report.page import report_page

FULL = make_report(
    make_window(),
    make_window("unverified", start=None, reason="moved"),
    query={"priority": "High"},
    whole=whole(),
    days={"2025-01-01": 20},
    versions={"python": "3.11.7"},
    size=1,
    sha256="3b",
)
FIELDS = [field.name for field in attrs.fields(ExportReport)]
WINDOW_FIELDS = [field.name for field in attrs.fields(WindowReport)]
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
LINES = st.lists(JSON | st.dictionaries(st.sampled_from(WINDOW_FIELDS), JSON), max_size=3)
DAYS = st.dictionaries(st.dates().map(str) | st.text(), JSON, max_size=3)
OBJECTS = st.builds(
    lambda fields, lines, days: fields | {"windows": lines, "days": days},
    st.dictionaries(st.sampled_from(FIELDS), JSON),
    JSON | LINES,
    JSON | DAYS,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Name a manifest that is not there yet."""
    return tmp_path / "cases.jsonl.manifest.json"


def as_json() -> Any:
    """Return a manifest as JSON values that a test may change."""
    return json.loads(json.dumps(dump_record(FULL)))


def refusal(path: Path, value: object) -> str:
    """Return the message that refuses a value; it names the file and what it must be."""
    path.write_text(json.dumps(value))
    with pytest.raises(ConfigError) as caught:
        manifest.load(path)
    before, problem = str(caught.value).split(" must be the manifest of an export, such as ", 1)
    assert before == str(path)
    return problem.removeprefix("cases.jsonl.manifest.json").removeprefix(": ")


def test_what_was_saved_is_loaded(path: Path) -> None:
    """Every field comes back as it was, and the figures that follow from them too."""
    manifest.save(FULL, path)
    assert manifest.load(path) == FULL


def test_a_missing_file_is_none(path: Path) -> None:
    """No manifest is no error: there was no run before."""
    assert manifest.load(path) is None


def test_a_folder_is_refused(path: Path) -> None:
    """What cannot be read is named."""
    path.mkdir()
    with pytest.raises(ConfigError, match=r"^cannot read .*cases\.jsonl\.manifest\.json: "):
        manifest.load(path)


@pytest.mark.parametrize(
    ("version", "words"), [(0, "version 0"), (2, "version 2"), (-1, "version -1"), (..., "no ver")]
)
def test_another_version_is_refused(version: Any, words: str, path: Path) -> None:
    """A manifest that may mean something else is never misread."""
    value = as_json() | {"version": version}
    if version is ...:
        del value["version"]
    assert refusal(path, value).startswith(f" of version 1, got {words}")


@pytest.mark.parametrize("verdict", [None, "", "Verified", "perfect", 1, ["verified"]])
def test_an_unknown_verdict_is_refused(verdict: Any, path: Path) -> None:
    """A verdict of a newer version is not taken for one of ours; a single word is shown."""
    value = as_json()
    value["windows"][1]["verdict"] = verdict
    shown = {None: "null", "": "a string", 1: "an integer"}
    got = "an array" if verdict == ["verified"] else shown.get(verdict, repr(verdict))
    assert refusal(path, value) == (
        f"$.windows[1].verdict must be one of verified, repaired, unverified, open, got {got}"
    )


@pytest.mark.parametrize(
    ("windows", "message"),
    [
        (None, "$.windows must be an array, got null"),
        ({}, "$.windows must be an array, got an object"),
        ("verified", "$.windows must be an array, got a string"),
        ([None, "verified", 3], "$.windows[0] must be an object, got null (and 2 more)"),
    ],
)
def test_windows_of_another_shape_are_refused(windows: Any, message: str, path: Path) -> None:
    """The path leads to the first of them that does not fit."""
    assert refusal(path, as_json() | {"windows": windows}) == message


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("rows", "12", "must be an integer, got a string"),
        ("rows", True, "must be an integer, got a boolean"),
        ("rows", 1.0, "must be an integer, got a number"),
        ("seconds", None, "must be a number, got null"),
        ("target", 7, "must be a string, got an integer"),
        ("detail", 1, "must be a boolean, got an integer"),
        ("whole", 10, "must be an object, got an integer"),
        ("query", ["High"], "must be an object, got an array"),
        ("days", [], "must be an object, got an array"),
    ],
)
def test_a_value_of_another_kind_is_refused(
    field: str, value: Any, message: str, path: Path
) -> None:
    """Nothing is converted: a text of digits is not a number, nor is true."""
    assert refusal(path, as_json() | {field: value}) == f"$.{field} {message}"


def test_the_path_leads_into_what_is_nested(path: Path) -> None:
    """Keys of an object are named as they are."""
    value = as_json() | {"days": {"2025-01-01 @ noon": "many"}}
    assert refusal(path, value) == "$.days['2025-01-01 @ noon'] must be an integer, got a string"
    value = as_json() | {"whole": {"announced": 3}}
    assert refusal(path, value) == "$.whole.agrees is missing"


def test_a_number_that_no_float_holds_is_refused(path: Path) -> None:
    """Seconds of four hundred digits are an error with a path, too."""
    assert refusal(path, as_json() | {"seconds": 10**400}).startswith(
        "$.seconds must be a number below"
    )


def test_no_value_of_the_file_is_shown(path: Path) -> None:
    """A file of cases that is taken for a manifest stays private."""
    case = {"version": 1, "target": {"phone": "+12025550143"}, "windows": ["+12025550143"]}
    assert "2025550143" not in refusal(path, case)
    value = as_json()
    value["windows"][0]["verdict"] = "+12025550143"
    assert "2025550143" not in refusal(path, value)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\x00", b'"\xff"', b"[" * 100_000, b"NaN"])
def test_what_is_not_json_is_refused(content: bytes, path: Path) -> None:
    """However it is broken, it is one clear error."""
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"manifest\.json, got invalid JSON$"):
        manifest.load(path)


def test_unknown_fields_are_ignored(path: Path) -> None:
    """A later version of the same manifest may say more."""
    value = as_json() | {"later": 1}
    value["windows"][0]["later"] = {}
    path.write_text(json.dumps(value))
    assert manifest.load(path) == FULL


@given(OBJECTS)
@example({"zone": ["\ud800", 10**30, float("nan")], "seconds": 10**400, "target": "\ud800"})
def test_any_object_is_refused_or_makes_a_page(value: dict[str, Any]) -> None:
    """In place of fields of a manifest, any values are refused by a path, or can be shown."""
    with TemporaryDirectory() as folder:
        for whole_value in (value, as_json() | value):
            path = Path(folder) / "m.json"
            path.write_text(json.dumps(whole_value))
            loaded: ExportReport | str | None
            try:
                loaded = manifest.load(path)
            except ConfigError as error:
                loaded = str(error)
            if isinstance(loaded, ExportReport):
                assert report_page(loaded).encode()
                continue
            named = ("$.", "got invalid JSON", "got version", "got no version")
            assert loaded
            assert str(path) in loaded
            assert any(words in loaded for words in named)

"""The CSV sink: what is in the file, what a spreadsheet would run, what is kept."""

from __future__ import annotations

import csv
import io
import tracemalloc
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from zoneinfo import ZoneInfo

import pytest
from helpers.rows_for_sinks import failing, in_batches, line, lines, no_file_beyond
from hypothesis import example, given
from hypothesis import strategies as st

from aicc_async._protocol.names import wire_names
from aicc_async.errors import ConfigError, DecodeError, ExportError
from aicc_async.export.sinks.csv import CSV
from aicc_async.export.sinks.defuse import defuse
from aicc_async.models import Case

NAME = "cases.csv"
ZONE = ZoneInfo("Asia/Shanghai")
DOCUMENTED = list(wire_names(Case).values())
FORMULA = tuple("=+-@＝＋－＠")  # noqa: RUF001  (what some spreadsheet takes for a formula)
TEXTS = st.text(alphabet="=+-@＝＠;,|\"' \t\r\n\0a1é客", max_size=12)  # noqa: RUF001


def read(path: Path) -> list[dict[str, str]]:
    """Read the file as any program of the kind does."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, strict=True))


def write(path: Path, *rows: bytes, keep: bool = False, raw_cells: bool = False) -> int:
    """Write rows into a CSV file."""
    return CSV(path, raw_cells=raw_cells).write(in_batches(rows), keep=keep)


def test_the_file_is_rfc_4180_byte_for_byte(path: Path) -> None:
    """Lines end in CRLF, quotes are doubled, null and missing are empty, there is no BOM."""
    row = b'{"title": "a \\"b\\", c", "isCanced": false, "id": "c1", "x": 1.50, "type": null}\n'
    assert write(path, row) == 1
    cells = {"id": "c1", "title": '"a ""b"", c"', "isCanced": "false", "x": "1.50"}
    header = [*DOCUMENTED, "x"]
    body = ",".join(cells.get(name, "") for name in header)
    assert path.read_bytes().decode() == f"{','.join(header)}\r\n{body}\r\n"


@pytest.mark.parametrize("bom", [False, True])
def test_a_mark_for_excel_is_written_once_and_kept(path: Path, bom: bool) -> None:
    """A file that is kept keeps its beginning, whatever is asked for; a new one is as asked."""
    mark = b"\xef\xbb\xbf" if bom else b""
    CSV(path, bom=bom).write(in_batches([line("c1")]), keep=False)
    assert path.read_bytes().startswith(mark + b"id,")
    assert CSV(path, bom=not bom).write(in_batches([line("c1"), line("c2")]), keep=True) == 1
    assert path.read_bytes().startswith(mark + b"id,")
    assert path.read_bytes().count(b"\xef\xbb\xbf") == bom
    CSV(path, bom=not bom).write(in_batches([line("c1")]), keep=False)
    assert path.read_bytes().startswith(b"id,") == bom


def test_columns_are_the_documents_then_extensions_sorted(path: Path) -> None:
    """An extension field of the last row is a column of all, after the documented ones."""
    write(path, line("c1", zeta=1), line("c2"), line("c3", **{"type.name": "x", "Alpha": 2}))
    with path.open(encoding="utf-8", newline="") as file:
        assert next(csv.reader(file)) == [*DOCUMENTED, "Alpha", "type.name", "zeta"]
    assert [row["zeta"] for row in read(path)] == ["1", "", ""]


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ("true", "true"),
        ("-5", "-5"),
        ("1.10", "1.10"),
        ("12345678901234567890123", "12345678901234567890123"),
        ("0.1234567890123456789", "0.1234567890123456789"),
        ('{ "b": [1.10, null], "a": "é" }', '{"b":[1.10,null],"a":"é"}'),
        ('"x\\ny"', "x\ny"),
        ('"\\u0000"', "'\0"),
    ],
)
def test_values_are_the_wires_own(path: Path, value: str, cell: str) -> None:
    """Numbers keep their digits, a nested value is compact JSON, a number is not a formula."""
    write(path, f'{{"id":"c1","x":{value}}}\n'.encode())
    assert read(path)[0]["x"] == cell


def test_no_rows_make_a_header(path: Path) -> None:
    """An export of nothing is a file with the documented columns."""
    assert write(path) == 0
    assert path.read_bytes().decode() == ",".join(DOCUMENTED) + "\r\n"


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("=1+1", "'=1+1"),
        ("+12025550123", "'+12025550123"),
        ("-1", "'-1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\t'=1"),
        ("\r", "'\r"),
        ("＝1", "'＝1"),  # noqa: RUF001
        (' ";=1', " \";'=1"),
        ('"=1', "\"'=1"),
        ("x; -1", "x; '-1"),
        ("x;=1", "x;'=1"),
        ('x\n"@1', "x\n\"'@1"),
        ("a - b, c=d; e", "a - b, c=d; e"),
        ("'=1", "'=1"),
    ],
)
def test_formulas_are_defused_by_an_apostrophe(path: Path, text: str, cell: str) -> None:
    """A text that a spreadsheet would run gets an apostrophe, others stay; raw ones all do."""
    write(path, line("c1", title=text, **{text + "name": 1}))
    assert read(path)[0]["title"] == cell
    write(path, line("c1", title=text), raw_cells=True)
    assert read(path)[0]["title"] == text


@given(st.lists(TEXTS, max_size=20))
@example(['";=1', "\n=1", ';""=1', '\r"', "x;", "=1"])
def test_no_cell_can_be_run_whatever_the_separator(texts: list[str]) -> None:
    """Programs that split at commas, semicolons or tabs find no cell that is a formula."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "cases.csv"
        write(path, *[line(f"c{n}", title=text) for n, text in enumerate(texts)])
        whole = path.read_bytes().decode()
        assert not [row for row in read(path) if row["title"].startswith(("\t", "\r", "\n", "\0"))]
    for separator in ",;\t":
        for row in csv.reader(io.StringIO(whole, newline=""), delimiter=separator):
            assert not [cell for cell in row if cell.lstrip('" \t\r\n\0').startswith(FORMULA)]


@given(TEXTS)
def test_defusing_adds_apostrophes_only_and_once(text: str) -> None:
    """Nothing is lost, and a cell that is defused stays as it is when it is defused again."""
    defused = defuse(text)
    assert defused.replace("'", "") == text.replace("'", "")
    assert defuse(defused) == defused


def test_defusing_takes_no_longer_than_a_text_is_long() -> None:
    """A text made to be slow is not: runs of separators are looked at once."""
    text = "\n" * 300_000 + "x"
    assert defuse(text) == "'" + text


@given(st.lists(TEXTS, max_size=20))
def test_raw_cells_give_back_any_text(texts: list[str]) -> None:
    """What is written raw is read as it was."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "cases.csv"
        rows = [line(f"c{n}", title=text) for n, text in enumerate(texts)]
        assert write(path, *rows, raw_cells=True) == len(texts)
        assert [row["title"] for row in read(path)] == texts


def test_keeping_adds_new_ids_only(path: Path) -> None:
    """Rows that are there stay as they are, even when the service says otherwise now."""
    write(path, *lines(1, 2, title="old"))
    assert write(path, *lines(2, 3, title="new"), keep=True) == 1
    assert [(row["id"][-1], row["title"]) for row in read(path)] == [
        ("1", "old"),
        ("2", "old"),
        ("3", "new"),
    ]


def test_keeping_twice_changes_nothing(path: Path) -> None:
    """The same write again leaves the same bytes."""
    rows = [line("-c1", title="=1"), line("c2", x="a\r\nb"), line("c3", x={"a": ";=1"})]
    write(path, *rows)
    before = path.read_bytes()
    assert write(path, *rows, keep=True) == 0
    assert path.read_bytes() == before


@pytest.mark.parametrize("raw_cells", [True, False])
def test_ids_are_known_again_raw_or_defused(path: Path, raw_cells: bool) -> None:
    """An id that looks like a formula is not added again when cells are written otherwise."""
    write(path, line("=c1"), raw_cells=raw_cells)
    assert write(path, line("=c1"), line("=c2"), keep=True, raw_cells=not raw_cells) == 1


def test_new_columns_come_after_the_old_ones(path: Path) -> None:
    """Old columns keep their places, a column of somebody else's too; old rows get empty cells."""
    path.write_bytes(b"note,id,zeta,title\r\nmine,c1,=1,\r\n")
    assert write(path, line("c2", zeta="z", alpha="a", title="t"), keep=True) == 1
    with path.open(encoding="utf-8", newline="") as file:
        header, old, new = csv.reader(file)
    others = [name for name in DOCUMENTED if name not in {"id", "title"}]
    assert header == ["note", "id", "zeta", "title", *others, "alpha"]
    assert old == ["mine", "c1", "=1", "", *[""] * len(others), ""]
    assert (new[:4], new[-1]) == (["", "c2", "z", "t"], "a")


def test_a_defused_column_is_found_again(path: Path) -> None:
    """A field whose name was defused in the header gets no second column."""
    write(path, line("c1", **{"=x": "a"}))
    write(path, line("c2", **{"=x": "b"}), keep=True)
    assert [row["'=x"] for row in read(path)] == ["a", "b"]


def test_keeping_what_is_not_there_creates_it(path: Path) -> None:
    """Without a file, keeping is the same as creating."""
    assert write(path, *lines(1, 2), keep=True) == 2
    assert len(read(path)) == 2


def test_a_spreadsheets_byte_order_mark_is_no_part_of_a_name(path: Path) -> None:
    """A file that was saved by a spreadsheet still has its id column."""
    path.write_bytes("\ufeffid,title\r\nc1,x\r\n".encode())
    assert write(path, line("c1"), line("c2"), keep=True) == 1
    assert path.read_bytes().startswith("\ufeffid,title,".encode())


def test_a_cell_of_any_width_can_be_kept(path: Path) -> None:
    """What was written can be read again, and the csv module's limit is as before."""
    limit = csv.field_size_limit()
    write(path, line("c1", x="a" * 2 * limit))
    assert write(path, line("c1"), line("c2"), keep=True) == 1
    assert csv.field_size_limit() == limit
    assert path.stat().st_size > 2 * limit


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"name,title\r\na,b\r\n",
        b"id,title,id\r\nc1,x,c1\r\n",
        b"id,title\r\nc1\r\n",
        b'id,title\r\nc1,"x\r\n',
        b"id,title\r\nc1,\xff\r\n",
        b"PAR1\x00\xff",
    ],
    ids=["empty", "no id", "id twice", "ragged", "cut off", "no UTF-8", "no text"],
)
def test_a_file_of_something_else_is_not_appended_to(path: Path, content: bytes) -> None:
    """It is a ConfigError that names the file, and the file stays as it was."""
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"cases\.csv"):
        write(path, line("c2"), keep=True)
    assert path.read_bytes() == content
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("keep", [True, False])
@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError("no answer")])
def test_an_interrupted_write_changes_nothing(path: Path, keep: bool, error: BaseException) -> None:
    """What the rows' source raises passes through; the file is as before, and alone."""
    write(path, *lines(1))
    before = path.read_bytes()
    with pytest.raises(type(error)) as caught:
        CSV(path).write(failing(lines(2, 3), error), keep=keep)
    assert caught.value is error
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_a_full_disk_is_an_export_error(path: Path) -> None:
    """It says so, and leaves the old file and nothing else."""
    write(path, *lines(1))
    before = path.read_bytes()
    with no_file_beyond(2**18), pytest.raises(ExportError, match=r"cannot write \S+: File too"):
        write(path, *lines(*range(2000)))
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(
    ("row", "path_in_row"),
    [
        (b'{"id":"c1","title":"+1202"\n', r"\$\[1001\]"),
        (b"[]\n", r"\$\[1001\]"),
        (b'{"title":"+1202"}\n', r"\$\[1001\]\.id"),
        (b'{"id":7,"title":"+1202"}\n', r"\$\[1001\]\.id"),
    ],
)
def test_a_row_that_is_not_a_case_is_named_by_its_number(
    path: Path, row: bytes, path_in_row: str
) -> None:
    """The error counts the rows of all batches, and shows nothing of the row."""
    with pytest.raises(DecodeError, match=path_in_row + "$") as caught:
        write(path, *lines(*range(1001)), row)
    assert "1202" not in str(caught.value)
    assert not path.exists()


def test_memory_does_not_grow_with_the_rows(path: Path) -> None:
    """Ten thousand rows take no more memory than their batches and buffers do."""

    def many() -> Iterator[Sequence[bytes]]:
        for start in range(0, 10_000, 1000):
            yield lines(*range(start, start + 1000), x="y" * 1000)

    tracemalloc.start()
    try:
        assert CSV(path).write(many(), keep=False) == 10_000
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 8 * 2**20 < path.stat().st_size

"""The Postgres sink, on a real server: upserted as a whole or not at all, no secret shown."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

import msgspec
import psycopg
import pytest
from helpers.pgbouncer import pooling
from helpers.rows_for_sinks import InterruptedRun
from helpers.rows_for_sinks import bare_line as line
from hypothesis import example, given
from hypothesis import strategies as st

from aicc_async import ConfigError, DecodeError, ExportError
from aicc_async.export.sinks import postgres
from aicc_async.export.sinks.postgres import Postgres

pytest_plugins = ["helpers.postgres_server"]

PASSWORD = "hush-4711"
SHANGHAI = ZoneInfo("Asia/Shanghai")


def query(url: str, text: str) -> list[Any]:
    """Query the database with a connection of our own."""
    with psycopg.connect(url) as connection:
        cursor = connection.execute(text.encode())
        return cursor.fetchall() if cursor.description else []


@pytest.fixture
def sink(postgres_url: str) -> Postgres:
    """Make the sink of an empty schema."""
    return Postgres(postgres_url, SHANGHAI)


def test_columns_and_values_are_typed(sink: Postgres, postgres_url: str) -> None:
    """Columns have Python's names in the documents' order, and Postgres's own types."""
    row = line(
        "a",
        title="订单\t1\\N",
        isCanced=True,
        suspendAccumulatedTime=90,
        createdDate="2025-01-02 03:04:05",
        dueDate="",
        region={"north": [1, None]},
    )
    assert sink.write([[row]], keep=False) == 1
    columns = query(
        postgres_url,
        "SELECT column_name, data_type FROM information_schema.columns "
        "WHERE table_name = 'aicc_cases' AND table_schema = current_schema "
        "ORDER BY ordinal_position",
    )
    assert columns[:3] == [("id", "text"), ("case_no", "text"), ("title", "text")]
    assert columns[-2:] == [("created_date", "timestamp with time zone"), ("extra", "jsonb")]
    kinds = dict(columns)
    assert kinds["is_cancelled"] == "boolean"
    assert kinds["suspend_accumulated_time"] == "double precision"
    names = "title, is_cancelled, is_suspend, suspend_accumulated_time, due_date, extra"
    assert query(postgres_url, f"SELECT {names} FROM aicc_cases") == [  # noqa: S608
        ("订单\t1\\N", True, None, 90.0, None, {"region": {"north": [1, None]}})
    ]
    moment = datetime(2025, 1, 2, 3, 4, 5, tzinfo=SHANGHAI)
    assert query(postgres_url, "SELECT created_date FROM aicc_cases") == [(moment,)]


@pytest.mark.parametrize("keep", [False, True])
def test_rows_are_upserted(sink: Postgres, postgres_url: str, keep: bool) -> None:
    """A second run updates what changed, adds what is new, and leaves the rest."""
    first = [line("a", title="old"), line("b", title="same"), line("c")]
    assert sink.write([first[:2], first[2:]], keep=False) == 3
    second = [line("a", title="new"), line("b", title="same"), line("d")]
    assert sink.write([second], keep=keep) == 2
    assert sink.write([second], keep=keep) == 0
    found = [("a", "new"), ("b", "same"), ("c", None), ("d", None)]
    assert query(postgres_url, "SELECT id, title FROM aicc_cases ORDER BY id") == found


def test_unchanged_rows_make_no_dead_tuples(sink: Postgres, postgres_url: str) -> None:
    """A row that stays the same is the same version of itself, extension fields in any order."""
    places = "SELECT id, xmin::text, ctid::text FROM aicc_cases ORDER BY id"
    sink.write([[line("a", origin=None, x=1, y=2), line("b", origin="Email")]], keep=True)
    before = query(postgres_url, places)
    assert sink.write([[line("a", y=2, x=1), line("b", origin="Voice")]], keep=True) == 1
    after = query(postgres_url, places)
    assert after[0] == before[0]
    assert after[1] != before[1]


def test_many_parts_are_one_write(
    sink: Postgres, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows that go in several parts are all there, once, and counted."""
    monkeypatch.setattr(postgres, "BATCHES_PER_COPY", 2)
    batches = [[line(f"{n}-{i}") for i in range(3)] for n in range(5)]
    assert sink.write(iter(batches), keep=False) == 15
    assert query(postgres_url, "SELECT count(*), count(DISTINCT id) FROM aicc_cases") == [(15, 15)]


def test_a_pooler_s_connection_takes_load_after_load(
    postgres_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Behind pgbouncer in transaction mode the second large load is as good as the first."""
    monkeypatch.setattr(postgres, "BATCHES_PER_COPY", 1)
    with pooling(postgres_server) as url:
        try:
            for load in range(2):
                pooled = Postgres(url, SHANGHAI)
                rows = [[line(f"{load}-{number}")] for number in range(20)]
                assert pooled.write(rows, keep=True) == 20
            assert query(url, "SELECT count(*) FROM aicc_cases") == [(40,)]
        finally:
            query(url, "DROP TABLE IF EXISTS aicc_cases")


def test_nothing_stays_on_a_connection_that_a_pooler_shares(
    sink: Postgres, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No statement is prepared, however often it runs, and no setting outlasts the transaction."""
    sink.write([], keep=False)
    query(
        postgres_url,
        """
        CREATE TABLE seen (prepared bigint, lock_timeout text);
        CREATE FUNCTION look() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            INSERT INTO seen SELECT (SELECT count(*) FROM pg_prepared_statements),
                current_setting('lock_timeout');
            RETURN NULL;
        END $$;
        CREATE TRIGGER look AFTER INSERT ON aicc_cases FOR EACH STATEMENT EXECUTE FUNCTION look()
        """,
    )
    monkeypatch.setattr(postgres, "BATCHES_PER_COPY", 1)
    assert sink.write([[line(str(number))] for number in range(20)], keep=True) == 20
    found = query(postgres_url, "SELECT prepared, lock_timeout FROM seen")
    assert found == [(0, "1min")] * 20
    opened: list[psycopg.Connection] = []
    connect = psycopg.connect

    def connect_and_keep(*args: Any, **settings: Any) -> psycopg.Connection:
        opened.append(connect(*args, **settings))
        # It outlives its block, as a pooler's connection does.
        monkeypatch.setattr(opened[0], "close", lambda: None)
        return opened[0]

    monkeypatch.setattr(psycopg, "connect", connect_and_keep)
    sink.newest_date()
    monkeypatch.undo()
    with opened[0] as connection:
        assert connection.execute("SHOW lock_timeout").fetchone() == ("0",)


def test_no_rows_still_make_a_table(sink: Postgres, postgres_url: str) -> None:
    """A query on the target works after an export that found nothing."""
    assert sink.write([], keep=False) == 0
    assert query(postgres_url, "SELECT * FROM aicc_cases") == []


def test_rows_are_replaced_in_one_transaction(sink: Postgres, postgres_url: str) -> None:
    """What was there goes when the new rows are there, and stays when they fail."""
    sink.write([[line("a"), line("b")]], keep=False)
    replacing = Postgres(postgres_url, SHANGHAI, replace=True)
    with pytest.raises(DecodeError):
        replacing.write([[line("c"), b"{}\n"]], keep=False)
    assert query(postgres_url, "SELECT id FROM aicc_cases ORDER BY id") == [("a",), ("b",)]
    assert replacing.write([[line("b"), line("c")]], keep=False) == 2
    assert query(postgres_url, "SELECT id FROM aicc_cases ORDER BY id") == [("b",), ("c",)]


def test_columns_of_the_user_are_left_alone(sink: Postgres, postgres_url: str) -> None:
    """A column that a user added to ours keeps what it holds."""
    sink.write([[line("a", title="old")]], keep=False)
    query(postgres_url, "ALTER TABLE aicc_cases ADD COLUMN mark text NOT NULL DEFAULT 'unseen'")
    query(postgres_url, "UPDATE aicc_cases SET mark = 'seen'")
    sink.write([[line("a", title="new"), line("b")]], keep=False)
    marks = [("a", "new", "seen"), ("b", None, "unseen")]
    assert query(postgres_url, "SELECT id, title, mark FROM aicc_cases ORDER BY id") == marks


def test_missing_columns_are_added(sink: Postgres, postgres_url: str) -> None:
    """A table of an older version gets the columns that it lacks."""
    query(postgres_url, "CREATE TABLE aicc_cases (id text PRIMARY KEY, old int, title text)")
    query(postgres_url, "ALTER TABLE aicc_cases DROP COLUMN old")
    query(postgres_url, "INSERT INTO aicc_cases VALUES ('z', 'kept')")
    assert sink.newest_date() is None
    assert sink.write([[line("a", priority="High")]], keep=True) == 1
    found = [("a", None, "High"), ("z", "kept", None)]
    assert query(postgres_url, "SELECT id, title, priority FROM aicc_cases ORDER BY id") == found


@pytest.mark.parametrize("part", [1, 50])
@pytest.mark.parametrize("error", [InterruptedRun(), OSError("a disk of the caller's")])
def test_an_interrupted_run_changes_nothing(
    sink: Postgres,
    postgres_url: str,
    monkeypatch: pytest.MonkeyPatch,
    part: int,
    error: BaseException,
) -> None:
    """What the iterable raises passes through, and the table is as it was."""
    monkeypatch.setattr(postgres, "BATCHES_PER_COPY", part)
    sink.write([[line("a", title="old")]], keep=False)

    def batches() -> Iterator[list[bytes]]:
        yield [line("a", title="new"), line("b")]
        raise error

    with pytest.raises(type(error)) as caught:
        sink.write(batches(), keep=False)
    assert caught.value is error
    assert query(postgres_url, "SELECT id, title FROM aicc_cases") == [("a", "old")]


def test_a_first_run_that_fails_leaves_no_table(postgres_url: str) -> None:
    """A refused row takes the table with it; the error names row and field, and no value."""
    sink = Postgres(postgres_url, SHANGHAI, strict_types=True)
    rows = [line("a"), line("b", isCanced="secret")]
    with pytest.raises(DecodeError, match=r"@ \$\[1\]\.isCanced") as caught:
        sink.write([rows], keep=False)
    assert "secret" not in str(caught.value)
    assert query(postgres_url, "SELECT to_regclass('aicc_cases')") == [(None,)]


def test_a_lost_connection_is_reported(sink: Postgres, postgres_url: str) -> None:
    """A server that goes away half-way leaves the table as it was."""
    sink.write([[line("a")]], keep=False)
    others = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE pid <> pg_backend_pid() AND query LIKE 'COPY %'"
    )

    def batches() -> Iterator[list[bytes]]:
        yield [line("b")]
        assert query(postgres_url, others) == [(True,)]
        yield [line("c")]

    with pytest.raises(ExportError, match=r"^postgresql://.*terminat") as caught:
        sink.write(batches(), keep=False)
    assert caught.value.resume == "fix the cause, then run the same again"
    assert PASSWORD not in str(caught.value)
    assert query(postgres_url, "SELECT id FROM aicc_cases") == [("a",)]


def test_a_row_is_never_quoted(sink: Postgres, postgres_url: str) -> None:
    """The server's words about a row stay out of ours, since they hold the row."""
    sink.write([], keep=False)
    query(postgres_url, "ALTER TABLE aicc_cases ADD CHECK (title <> 'Mrs Private')")
    with pytest.raises(ExportError, match=r"CheckViolation \(SQLSTATE 23514\)") as caught:
        sink.write([[line("a", title="Mrs Private")]], keep=False)
    assert "Private" not in f"{caught.value}{caught.value.__cause__}"


def test_a_number_beyond_a_double_is_refused(postgres_url: str) -> None:
    """With strict types an absurd number is our error."""
    sink = Postgres(postgres_url, SHANGHAI, strict_types=True)
    with pytest.raises(ExportError, match="NumericValueOutOfRange"):
        sink.write([[b'{"id":"a","suspendAccumulatedTime":1%s}\n' % (b"0" * 400)]], keep=False)


def test_a_role_that_may_not_create_tables_is_reported(sink: Postgres, postgres_url: str) -> None:
    """What may not be done is named; a table that is there needs no right to create one."""
    schema = query(postgres_url, "SELECT current_schema")[0][0]
    query(postgres_url, f"CREATE ROLE {schema}_role LOGIN PASSWORD '{PASSWORD}'")
    query(postgres_url, f"GRANT USAGE ON SCHEMA {schema} TO {schema}_role")
    poor = Postgres(postgres_url.replace("postgres:", f"{schema}_role:", 1), SHANGHAI)
    with pytest.raises(ExportError, match=f"permission denied for schema {schema}"):
        poor.write([[line("a")]], keep=False)
    sink.write([], keep=False)
    query(postgres_url, f"GRANT SELECT, INSERT, UPDATE ON aicc_cases TO {schema}_role")
    assert poor.write([[line("a")]], keep=False) == 1


def test_a_table_of_somebody_else_is_refused(sink: Postgres, postgres_url: str) -> None:
    """A table of the same name and another purpose gets none of our columns."""
    query(postgres_url, "CREATE TABLE aicc_cases (number int)")
    with pytest.raises(
        ConfigError, match="its table 'aicc_cases' has no column 'id', so it is not one of ours"
    ):
        sink.write([[line("a")]], keep=False)
    assert query(postgres_url, "SELECT * FROM aicc_cases") == []


def test_a_table_without_a_key_is_refused(sink: Postgres, postgres_url: str) -> None:
    """A table whose ids may repeat cannot be upserted."""
    query(postgres_url, "CREATE TABLE aicc_cases (id text)")
    with pytest.raises(ExportError, match="no unique or exclusion constraint"):
        sink.write([[line("a")]], keep=False)


def test_an_encoding_without_the_letters_is_reported(postgres_server: str) -> None:
    """A database that is not in Unicode takes what it can hold, and refuses the rest."""
    query_all = psycopg.connect(postgres_server, autocommit=True)
    with query_all:
        query_all.execute("CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0")
    sink = Postgres(postgres_server.replace("/postgres?", "/latin?"), SHANGHAI)
    assert sink.write([[line("a", title="beschädigt")]], keep=False) == 1
    with pytest.raises(ExportError, match="UntranslatableCharacter"):
        sink.write([[line("b", title="订单")]], keep=False)


def test_the_newest_date_is_the_latest_moment(sink: Postgres, postgres_url: str) -> None:
    """It is aware and in the client's zone, whatever the server's zone and style of dates."""
    assert sink.newest_date() is None
    sink.write([[line("a")]], keep=False)
    assert sink.newest_date() is None
    times = ["2025-01-02 03:04:05", "2024-12-31 23:59:59"]
    sink.write([[line(f"b{i}", createdDate=time) for i, time in enumerate(times)]], keep=False)
    odd = f"{postgres_url}%20-cdatestyle%3DSQL%20-ctimezone%3DAmerica/New_York"
    for url in (postgres_url, odd):
        last = Postgres(url, SHANGHAI).newest_date()
        assert last is not None
        assert last.isoformat() == "2025-01-02T03:04:05+08:00"
        assert last.tzinfo is SHANGHAI


def test_a_wrong_password_is_reported_and_not_shown(
    postgres_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither error nor log nor repr holds the password; the server's reason is there."""
    sink = Postgres(postgres_url.replace(PASSWORD, "wrong-0815"), SHANGHAI)
    for call in (lambda: sink.write([], keep=False), sink.newest_date):
        with pytest.raises(ExportError, match="password authentication failed") as caught:
            call()
        assert "wrong-0815" not in f"{caught.value!r} {caught.value.resume} {sink!r} {caplog.text}"


def test_the_password_may_come_from_the_environment(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A URL without one uses PGPASSWORD, as all of libpq's programs do."""
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    sink = Postgres(postgres_url.replace(f":{PASSWORD}", ""), SHANGHAI)
    assert sink.write([[line("a")]], keep=False) == 1


def test_nobody_listening_is_reported() -> None:
    """A server that is not there is named."""
    sink = Postgres("postgresql://user:hush@127.0.0.1:1/db", SHANGHAI)
    with pytest.raises(ExportError, match=r"postgresql://127\.0\.0\.1:1/db: .*refused") as caught:
        sink.newest_date()
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("postgresql://user:hush@host/db", "postgresql://host/db"),
        ("postgres://user:h%40s%2Fh@host:5433/db?sslmode=require", "postgresql://host:5433/db"),
        ("postgresql://user@host/db?password=hush", "postgresql://host/db"),
        ("postgresql://u:hush@a:1,b:2/db", "postgresql://a,b/db"),
        ("postgresql://u:hush@/db?host=/run/pg", "postgresql://%2Frun%2Fpg/db"),
        ("postgresql://", "postgresql:///"),
    ],
)
def test_the_name_has_no_secrets(url: str, name: str) -> None:
    """What is shown of a URL is where it leads."""
    assert Postgres(url, SHANGHAI).name == name


@pytest.mark.parametrize(
    "url",
    [
        "",
        "host=h password=hush",
        "mysql://u:hush@h/db",
        "postgresql://u:hu@sh@h/db",
        "postgresql://u:hu/sh@h/db",
        "postgresql://u:1/hush@h/db",
        "postgresql://u:hush%zz@h/db",
        "postgresql://u:hush/db",
        "postgresql://u:hush@h/db?passwort=hush",
    ],
)
def test_what_is_not_such_a_url_is_refused(url: str) -> None:
    """A password with unescaped signs would end in a host's name, and be shown: it is refused."""
    with pytest.raises(ConfigError, match="postgresql://user:password@host/database") as caught:
        Postgres(url, SHANGHAI)
    assert "hu" not in str(caught.value)


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1))
def test_no_password_is_in_a_name(password: str) -> None:
    """Any password that is escaped, signs and all, stays out of the name."""
    shown = Postgres(f"postgresql://u:{quote(password, safe='')}@host/db", SHANGHAI).name
    assert shown == "postgresql://host/db"


LETTERS = st.text(st.sampled_from('\0\\u0"/nß订'), max_size=8)
JSON = st.recursive(
    LETTERS | st.integers() | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(LETTERS, inner, max_size=3),
)


def without_nul(value: Any) -> Any:
    """Return a value without NUL, text by text."""
    if isinstance(value, dict):
        return {without_nul(key): without_nul(item) for key, item in value.items()}
    if isinstance(value, list):
        return [without_nul(item) for item in value]
    return value.replace("\0", "\ufffd") if isinstance(value, str) else value


@given(JSON)
@example("\\u0000")
@example("\\\0\0\\\\\0")
def test_only_nul_is_replaced(value: Any) -> None:
    """In JSON an escaped NUL becomes U+FFFD, and nothing that only looks like one."""
    row = msgspec.json.encode(value)
    assert msgspec.json.decode(postgres.replace_nul(row)) == without_nul(value)


def test_any_text_is_stored(sink: Postgres, postgres_url: str) -> None:
    """NUL is replaced in fields, extension fields and their names; all else comes back."""
    title = 'a\0b\\u0000\\\t\n\r\\. "订单" 🔁 \u2028\x7f\x01'
    sink.write([[line("a", title=title, **{"x\0": [title], "n": 2**70})]], keep=False)
    stored = title.replace("\0", "\ufffd")
    assert query(postgres_url, "SELECT title, extra FROM aicc_cases") == [
        (stored, {"x\ufffd": [stored], "n": 2**70})
    ]


def test_psycopg_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the extra the error says what to install."""
    monkeypatch.delitem(sys.modules, postgres.__name__)
    monkeypatch.setitem(sys.modules, "psycopg", None)
    load: Callable[[str], Any] = __import__
    with pytest.raises(ConfigError, match=r"pip install 'aicc-async\[postgres\]'"):
        load(postgres.__name__)

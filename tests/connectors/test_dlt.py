"""The source for dlt, with a tenant on a socket, into a DuckDB file and a Postgres server."""

from __future__ import annotations

import asyncio
import gc
import gzip
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import pyarrow as pa  # type: ignore[import-untyped]  # it has no types
import pytest
from attrs import evolve
from helpers.list_requests import list_bodies
from helpers.processes import interruptible
from helpers.recipes import recipe
from hypothesis import given
from hypothesis import strategies as st

from aicc_async import (
    AICCClient,
    ApiError,
    AuthError,
    CaseQuery,
    ConfigError,
    DecodeError,
    ExportError,
    RateLimit,
    StaticToken,
    export_cases,
)
from aicc_async._protocol.converter import RecordConverter
from aicc_async._protocol.names import wire_names
from aicc_async.emulator import Emulator, Fault, Quirks, run_in_thread
from aicc_async.export.sinks.arrow import ArrowRows
from aicc_async.models import Case

dlt = pytest.importorskip("dlt", reason="dlt is missing: pip install 'aicc-async[dlt]'")

from dlt.common.libs.pyarrow import py_arrow_to_table_schema_columns  # noqa: E402
from dlt.common.runtime.signals import intercepted_signals  # noqa: E402  (only if dlt is there)
from dlt.pipeline.exceptions import PipelineStepFailed  # noqa: E402
from helpers.dlt_source import (  # noqa: E402
    ZONE,
    cause,
    change,
    ids,
    now,
    run,
    select,
    source,
    state,
    stored,
    titles,
)

from aicc_async.connectors.dlt import aicc_cases  # noqa: E402
from aicc_async.connectors.dlt.state import LoadState, covers, next_start  # noqa: E402
from aicc_async.connectors.dlt.tables import CASE_COLUMNS  # noqa: E402

pytest_plugins = ["helpers.dlt_pipeline", "helpers.postgres_server", "helpers.redis_server"]
pytestmark = pytest.mark.usefixtures("alone")

SINCE, UNTIL = datetime(2025, 1, 1), datetime(2025, 4, 1)  # noqa: DTZ001  (wall-clock times)
QUARTER = CaseQuery(start_time=SINCE, end_time=UNTIL)
FIELDS = [*wire_names(Case), "extra"]
Load = Callable[..., Any]


@pytest.fixture
def tenant() -> Iterator[Emulator]:
    """Run a tenant with 300 cases of January to March 2025."""
    with run_in_thread(cases=300, since=SINCE, until=UNTIL) as emulator:
        yield emulator


@pytest.fixture
def recent() -> Iterator[Emulator]:
    """Run a tenant with 150 cases of the last ten days, the newest an hour old."""
    since, until = now() - timedelta(days=10), now() - timedelta(hours=1)
    with run_in_thread(cases=150, since=since, until=until) as emulator:
        yield emulator


def into_postgres(url: str, schema: str, folder: Path) -> Any:
    """Make a pipeline into a schema of a server, whose socket dlt wants in the host's place."""
    address, _, socket = url.partition("@/postgres?host=")
    database = dlt.destinations.postgres(f"{address}@{quote(socket, safe='')}/postgres")
    return dlt.pipeline(
        "cases", destination=database, dataset_name=schema, pipelines_dir=str(folder / "dlt")
    )


def query_postgres(url: str, text: str) -> list[tuple[Any, ...]]:
    """Ask the Postgres server with a connection of our own."""
    with psycopg.connect(url) as connection:
        cursor = connection.execute(text.encode())
        return cursor.fetchall() if cursor.description else []


def exported(tenant: Emulator, path: Path) -> dict[str, Case]:
    """Export the quarter into JSON lines, and read them as records."""

    async def export() -> None:
        async with AICCClient(tenant.url, auth=StaticToken(tenant.token())) as aicc:
            assert (await export_cases(aicc, QUARTER, path)).verified

    asyncio.run(export())
    cases = RecordConverter(ZONE).load_cases(
        [json.loads(line) for line in path.read_bytes().splitlines()]
    )
    return {case.id: case for case in cases}


def first_start(tenant: Emulator) -> str:
    """Return the earliest start of the windows that were asked for, and forget the requests."""
    bodies = list_bodies(tenant)
    tenant.requests.clear()
    first = min(str(body["startTime"]) for body in bodies if "startTime" in body)
    # A second more is asked for: the service may leave out a window's first second.
    return str(datetime.fromisoformat(first) + timedelta(seconds=1))


def ago(**span: int) -> str:
    """Write a time that is so long ago."""
    return str(now() - timedelta(**span))


@pytest.mark.parametrize("form", ["insert_values", "jsonl", None])
def test_a_first_load_into_duckdb_equals_the_export(
    tenant: Emulator, pipeline: Any, tmp_path: Path, form: Any
) -> None:
    """Row for row and field for field, with Python's names and types of their own."""
    tenant.insert(title='客户 🎉\n"\\', createdDate="2025-02-01 00:00:00", odd={"a": [1, None]})
    pipeline.run(source(tenant, query=QUARTER), loader_file_format=form)
    wanted = exported(tenant, tmp_path / "cases.jsonl")
    found = select(pipeline, f"SELECT {', '.join(FIELDS)} FROM cases")  # noqa: S608
    assert len(found) == len(wanted) == 301
    for row in found:
        case, values = wanted[row[0]], dict(zip(FIELDS, row, strict=True))
        assert json.loads(values.pop("extra")) == case.extra
        assert values == {name: getattr(case, name) for name in values}
    kinds = dict(row[:2] for row in select(pipeline, "DESCRIBE cases"))
    assert {kinds[name] for name in FIELDS if name.endswith("_date")} == {
        "TIMESTAMP WITH TIME ZONE"
    }
    assert {kinds[name] for name in FIELDS if name.startswith("is_")} == {"BOOLEAN"}
    assert kinds["suspend_accumulated_time"] == "DOUBLE"
    assert kinds["extra"] == "JSON"


def test_only_extra_differs_from_what_arrow_says() -> None:
    """It is JSON, which Arrow has as a text alone: dlt warns of hints for nothing else."""
    schema = ArrowRows("UTC", "dlt", has_json_extra=True).schema
    columns = py_arrow_to_table_schema_columns(schema)
    hints = {name: column["data_type"] for name, column in CASE_COLUMNS.items()}
    differ = {name for name in hints if columns[name]["data_type"] != hints[name]}
    assert differ == {"extra"}


def test_rows_come_as_arrow_and_are_loaded_as_parquet(tenant: Emulator, pipeline: Any) -> None:
    """Unless told otherwise, since DuckDB takes that; also where no column may be added."""
    cases = source(tenant, query=QUARTER)
    for contract in ("evolve", "freeze"):
        cases.schema_contract = contract
        [package] = pipeline.run(cases).load_packages
        jobs = [job.job_file_info for job in package.jobs["completed_jobs"]]
        assert {job.file_format for job in jobs if job.table_name == "cases"} >= {"parquet"}
    [table] = list(cases.with_resources("cases"))
    assert isinstance(table, pa.Table)
    assert table.column_names == FIELDS
    assert titles(pipeline) == stored(tenant)


def test_loads_into_postgres_equal_the_export(
    tenant: Emulator, postgres_server: str, tmp_path: Path
) -> None:
    """Row for row on a real server, also after a second load that changes and adds."""
    pipeline = into_postgres(postgres_server, "loaded", tmp_path)
    pipeline.run(source(tenant, query=QUARTER))
    tenant.insert(title="'\\\n\t", createdDate="2025-03-31 23:00:00", odd={"a": [1, None]})
    change(tenant, tenant.ids()[-2], "changed")
    pipeline.run(source(tenant, query=QUARTER))
    wanted = exported(tenant, tmp_path / "cases.jsonl")
    found = query_postgres(postgres_server, f"SELECT {', '.join(FIELDS)} FROM loaded.cases")  # noqa: S608
    assert len(found) == len(wanted) == 301
    for row in found:
        assert row == tuple(getattr(wanted[row[0]], name) for name in FIELDS)


@pytest.mark.filterwarnings("ignore:The 'warn' method:DeprecationWarning")  # dlt's own
def test_a_load_that_the_destination_refuses_is_finished_later(
    tenant: Emulator, postgres_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was read waits in the pipeline's folder; nothing is lost or doubled."""
    monkeypatch.setenv("LOAD__RAISE_ON_MAX_RETRIES", "1")
    query_postgres(postgres_server, "CREATE ROLE loader LOGIN PASSWORD 'hush'")
    query_postgres(postgres_server, "GRANT CREATE ON DATABASE postgres TO loader")
    pipeline = into_postgres(
        postgres_server.replace("postgres:hush-4711", "loader:hush"), "refused", tmp_path
    )
    query_postgres(postgres_server, "ALTER ROLE loader SET default_transaction_read_only = on")
    with pytest.raises(PipelineStepFailed, match="step=load"):
        pipeline.run(source(tenant, query=QUARTER))
    query_postgres(postgres_server, "ALTER ROLE loader RESET default_transaction_read_only")
    assert query_postgres(postgres_server, "SELECT to_regclass('refused.cases')") == [(None,)]
    tenant.insert(createdDate="2025-03-31 23:00:00", title="meanwhile")
    for _ in range(2):  # dlt loads what is there first
        pipeline.run(source(tenant, query=QUARTER))
    found = query_postgres(postgres_server, "SELECT id, title FROM refused.cases")
    assert len(found) == 301
    assert dict(found) == stored(tenant)


def test_a_second_load_brings_what_is_new_or_changed(recent: Emulator, pipeline: Any) -> None:
    """Within the look-back, from the frozen end and not from the newest row; each once."""
    began = now()
    old, young = recent.ids()[0], recent.ids()[-1]
    late = recent.insert(createdDate=ago(minutes=30), title="late")
    run(pipeline, source(recent, since=began - timedelta(days=20)))
    assert titles(pipeline) == stored(recent)
    [[ended]] = [one.values() for one in state(pipeline)["aicc_cases"]["resources"].values()]
    assert began <= datetime.fromisoformat(ended["end"]) <= began + timedelta(minutes=10)
    change(recent, young, "changed")
    before = stored(recent)[old]
    change(recent, old, "changed too early to be seen")
    recent.insert(createdDate=ago(minutes=1), title="new")
    recent.requests.clear()
    run(pipeline, source(recent, since=began - timedelta(days=20)))
    since = datetime.fromisoformat(ended["end"]) - timedelta(days=1)
    assert first_start(recent) == str(since)
    assert titles(pipeline) == stored(recent) | {old: before}
    assert late in titles(pipeline)


def test_the_settle_lag_is_read_again(recent: Emulator, pipeline: Any) -> None:
    """Without any look-back, a case that shows late in an open window comes all the same."""
    query = CaseQuery(start_time=now() - timedelta(days=1))
    run(pipeline, source(recent, query=query, lookback=timedelta(0)))
    recent.insert(createdDate=ago(minutes=1), title="shown late")
    recent.requests.clear()
    run(pipeline, source(recent, query=query, lookback=timedelta(0)))
    assert "shown late" in titles(pipeline).values()
    assert first_start(recent) > ago(minutes=6)


def test_the_look_back_does_not_go_before_the_beginning(recent: Emulator, pipeline: Any) -> None:
    """Cases older than what was asked for stay out."""
    since = now() - timedelta(days=2)
    for _ in range(2):
        run(pipeline, source(recent, since=since, lookback=timedelta(days=5)))
    assert titles(pipeline).keys() == set(recent.ids(str(since)))


def _break_off(tenant: Emulator) -> None:
    """Refuse the fourth page and all that follow."""

    def refuse(tenant: Emulator, page: int) -> None:
        if page == 3:
            tenant.fail("list", Fault.BUSINESS_ERROR, times=None)

    tenant.on_page(refuse)


def _lie(tenant: Emulator) -> None:
    """Announce more rows than there are."""
    tenant.quirks = Quirks(count_offset=7)


def _misspell(tenant: Emulator) -> None:
    """Answer with pages that are not JSON, one with a phone number in it."""
    tenant.insert(createdDate=ago(minutes=20), title="+12025550199")
    tenant.fail("list", Fault.NOT_JSON, times=None)


@pytest.mark.parametrize(
    ("spoil", "kind"), [(_break_off, ApiError), (_lie, ExportError), (_misspell, DecodeError)]
)
def test_a_failed_load_changes_nothing(
    recent: Emulator,
    pipeline: Any,
    spoil: Callable[[Emulator], None],
    kind: type[Exception],
    tmp_path: Path,
) -> None:
    """Table, state and folder are as before, and the next run is complete."""
    query = CaseQuery(start_time=now() - timedelta(days=20))
    run(pipeline, source(recent, query=query))
    rows, kept = titles(pipeline), state(pipeline)
    recent.insert(createdDate=ago(minutes=10), title="new")
    spoil(recent)
    with pytest.raises(PipelineStepFailed) as caught:
        run(pipeline, source(recent, query=query))
    assert type(cause(caught)) is kind
    assert "+12025550199" not in str(caught.value)
    assert (titles(pipeline), state(pipeline)) == (rows, kept)
    assert not list(tmp_path.rglob("aicc-*"))
    _heal(recent)
    run(pipeline, source(recent, query=query))
    assert titles(pipeline) == stored(recent)
    assert len(titles(pipeline)) == len(rows) + 1


def test_an_odd_value_is_in_extra(recent: Emulator, pipeline: Any) -> None:
    """It ends no load; numbers beyond 64 bits and doubles do not either, and keep their digits."""
    numbers = {"n": 2**70, "deep": [{"m": 2**70}]}
    recent.insert(createdDate=ago(minutes=20), title="odd", isCanced="true", **numbers)
    query = CaseQuery(start_time=now() - timedelta(days=20))
    with pytest.warns(RuntimeWarning, match="cases: .* isCanced in 1 rows"):
        run(pipeline, source(recent, query=query))
    found = select(pipeline, "SELECT is_cancelled, extra FROM cases WHERE title = 'odd'")
    [(flag, extra)] = found
    assert flag is None
    read = json.loads(extra)
    assert read["isCanced"] == "true"
    assert (str(read["n"]), str(read["deep"][0]["m"])) == (str(2**70), str(2**70))


def _heal(tenant: Emulator) -> None:
    tenant.on_page(None)
    tenant.clear_faults()
    tenant.quirks = Quirks()
    for row in tenant.rows():
        if row["title"] == "+12025550199":
            tenant.delete(row["id"])


def test_a_failed_first_load_leaves_nothing(tenant: Emulator, pipeline: Any) -> None:
    """There is no table, and no state that a later run would continue."""
    _break_off(tenant)
    with pytest.raises(PipelineStepFailed, match="the flow refused the case"):
        run(pipeline, source(tenant, query=QUARTER))
    assert "cases" not in {name for (name,) in select(pipeline, "SHOW TABLES")}
    assert state(pipeline) == {}
    _heal(tenant)
    run(pipeline, source(tenant, query=QUARTER))
    assert titles(pipeline) == stored(tenant)


def test_an_unverified_window_is_loaded_when_wanted(tenant: Emulator, pipeline: Any) -> None:
    """With strict=False it is there, marked in the table of windows, and read again next time."""
    tenant.quirks = Quirks(count_offset=7)
    run(pipeline, source(tenant, query=QUARTER, strict=False))
    assert titles(pipeline) == stored(tenant)
    found = select(pipeline, "SELECT verdict, announced, distinct_ids FROM cases_windows")
    assert {row[0] for row in found} == {"unverified"}
    assert all(announced == distinct + 7 for _, announced, distinct in found)
    tenant.quirks = Quirks()
    tenant.requests.clear()
    run(pipeline, source(tenant, query=QUARTER))
    assert first_start(tenant) == "2025-01-01 00:00:00"
    last = "SELECT verdict, window_start, window_end FROM cases_windows ORDER BY _dlt_load_id, 2"
    verdicts = select(pipeline, last)[len(found) :]
    assert {row[0] for row in verdicts} == {"verified"}
    # With a second more at either end.
    assert verdicts[0][1] == SINCE.replace(tzinfo=ZONE) - timedelta(seconds=1)
    assert verdicts[-1][2] == UNTIL.replace(tzinfo=ZONE) + timedelta(seconds=1)


@pytest.mark.slow
def test_other_filters_or_an_earlier_since_begin_anew(recent: Emulator, pipeline: Any) -> None:
    """What was loaded under other ones says nothing of what is missing; a later since goes on."""
    days = {number: now() - timedelta(days=number) for number in (2, 3, 5)}
    starts = []
    for options in (
        {"since": days[3]},
        {"since": days[3], "query": CaseQuery(priority="High")},
        {"since": days[5]},
        {"since": days[2]},
        {"since": days[5], "query": CaseQuery(priority="High")},
    ):
        recent.requests.clear()
        run(pipeline, source(recent, lookback=timedelta(hours=1), **options))
        starts.append(first_start(recent))
    [going_on] = [starts.pop(3)]
    assert starts == [str(days[number]) for number in (3, 3, 5, 5)]
    assert ago(minutes=70) < going_on < ago(minutes=50)
    assert titles(pipeline).keys() == set(recent.ids(str(days[5])))


@pytest.fixture
def written(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> Callable[[], str]:
    """Find all that was logged, printed, or left in the pipeline's folder."""
    caplog.set_level("DEBUG")

    def everything() -> str:
        files = [path for path in Path("dlt").rglob("*") if path.is_file()]
        assert {"state.json", "trace.pickle"} <= {path.name for path in files}
        content = [path.read_bytes() for path in files]
        content += [gzip.decompress(each) for each in content if each.startswith(b"\x1f\x8b")]
        return "\n".join(
            [*capfd.readouterr(), caplog.text, *(each.decode("latin-1") for each in content)]
        )

    return everything


@pytest.fixture
def configured(tenant: Emulator, monkeypatch: pytest.MonkeyPatch) -> Emulator:
    """Set in dlt's configuration where the tenant is and who asks."""
    monkeypatch.setattr(Emulator, "client_secret", "configured-4711")
    monkeypatch.setenv("SOURCES__AICC_CASES__BASE_URL", tenant.url)
    monkeypatch.setenv("SOURCES__AICC_CASES__CLIENT_ID", tenant.client_id)
    monkeypatch.setenv("SOURCES__AICC_CASES__CLIENT_SECRET", tenant.client_secret)
    monkeypatch.setenv("RUNTIME__LOG_LEVEL", "DEBUG")
    return tenant


def test_no_secret_is_left_behind(
    configured: Emulator, pipeline: Any, written: Callable[[], str]
) -> None:
    """Secrets of dlt's configuration sign in; neither they, a token nor a filter are left."""
    phone = "+12025559999"
    run(pipeline, aicc_cases(query=evolve(QUARTER, contact_phone=phone)))
    [token] = {each.headers["access-token"] for each in configured.requests[1:]}
    found = written()
    assert not any(word in found for word in (configured.client_secret, token, phone))
    assert "aicc_cases" in found


def test_no_wrong_secret_is_left_behind(
    configured: Emulator,
    pipeline: Any,
    written: Callable[[], str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A sign-in that is refused says so, in error and trace, without repeating what was wrong."""
    monkeypatch.setenv("SOURCES__AICC_CASES__CLIENT_SECRET", "wrong-4711")
    with pytest.raises(PipelineStepFailed) as caught:
        run(pipeline, aicc_cases(query=QUARTER))
    assert type(cause(caught)) is AuthError
    assert {each.operation for each in configured.requests} == {"token"}
    found = written() + str(caught.value)
    assert "wrong-4711" not in found
    assert "AuthError" in found


def test_the_environment_of_the_client_is_enough(
    tenant: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without anything else, ``AICC_*`` say where and who; and no pipeline has to run."""
    monkeypatch.setenv("AICC_BASE_URL", tenant.url)
    monkeypatch.setenv("AICC_ACCESS_TOKEN", tenant.token())
    assert set(ids(aicc_cases(query=QUARTER))) == set(tenant.ids())


def test_loads_share_a_token(
    tenant: Emulator, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With ``AICC_TOKEN_REDIS_URL`` one load signs in, and the next one takes its token."""
    monkeypatch.setenv("AICC_TOKEN_REDIS_URL", redis_url)
    for _ in range(2):
        source = aicc_cases(
            tenant.url,
            query=QUARTER,
            client_id=tenant.client_id,
            client_secret=tenant.client_secret,
        )
        assert ids(source)
    assert [each.operation for each in tenant.requests].count("token") == 1


def test_a_renamed_source_has_settings_of_its_own(
    tenant: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Several tenants can be told apart as dlt tells sources apart."""
    monkeypatch.setenv("SOURCES__AICC_CASES__CLIENT_SECRET", "of another tenant")
    monkeypatch.setenv("SOURCES__AICC_CASES__NORTH__CLIENT_ID", tenant.client_id)
    monkeypatch.setenv("SOURCES__AICC_CASES__NORTH__CLIENT_SECRET", tenant.client_secret)
    north = aicc_cases.clone(name="north")
    assert len(ids(north(tenant.url, query=QUARTER))) == 300


def test_sections_are_no_matter_of_file_names() -> None:
    """Settings of a source, or of a table loaded alone, are found where they always were."""
    cases = aicc_cases("https://aicc.example", client_id="id", client_secret="hush")
    assert (cases.section, cases.name) == ("aicc_cases", "aicc_cases")
    assert {table.section for table in cases.resources.values()} == {"dlt"}


def test_parallel_extraction_keeps_to_the_limit(tenant: Emulator, pipeline: Any) -> None:
    """However many workers dlt has, one client asks, once for both tables, and never too often."""
    # A stall brings some more at once; a second client would bring twice as many.
    tenant.quota = 30
    run(pipeline, source(tenant, query=QUARTER, rate_limit=RateLimit(20)).parallelize())
    assert titles(pipeline) == stored(tenant)
    assert state(pipeline)
    assert tenant.refused == 0
    assert [each.operation for each in tenant.requests].count("token") == 1


def test_a_map_gets_the_rows_alone(tenant: Emulator, pipeline: Any) -> None:
    """Contact data can be left out as in any source of dlt's, before it is written anywhere."""
    cases = source(tenant, query=QUARTER)

    def hide(table: Any) -> Any:
        index = table.schema.get_field_index("contact_phone")
        return table.set_column(index, "contact_phone", pa.nulls(len(table), pa.string()))

    cases.cases.add_map(hide)
    run(pipeline, cases)
    assert select(pipeline, "SELECT count(*) FROM cases WHERE contact_phone IS NULL") == [(300,)]
    assert select(pipeline, "SELECT count(*) > 0 FROM cases_windows") == [(True,)]


def test_one_table_alone_can_be_had(tenant: Emulator, pipeline: Any, tmp_path: Path) -> None:
    """Rows without verdicts; or verdicts without rows, which say nothing of what is loaded."""
    run(pipeline, source(tenant, query=QUARTER).with_resources("cases_windows"))
    assert not any(state(pipeline).get("aicc_cases", {}).get("resources", {}).values())
    gc.collect()
    assert not list(tmp_path.rglob("aicc-*"))
    run(pipeline, source(tenant, query=QUARTER).with_resources("cases"))
    assert titles(pipeline) == stored(tenant)


def test_a_source_can_be_loaded_twice(tenant: Emulator) -> None:
    """The second time it reads anew."""
    cases = source(tenant, query=QUARTER)
    first = ids(cases)
    tenant.insert(createdDate="2025-03-31 12:00:00")
    assert len(ids(cases)) == len(first) + 1


@pytest.mark.parametrize(
    "quirks", [Quirks(max_count=120), Quirks(deepest_start=100)], ids=["capped", "refused"]
)
def test_a_query_that_is_cut_loses_nothing(tenant: Emulator, pipeline: Any, quirks: Quirks) -> None:
    """Where a query gives so many rows at most, or refuses deep pages, all cases are loaded."""
    tenant.insert_many({"createdDate": f"2025-02-10 10:00:{n % 60:02}"} for n in range(300))
    tenant.quirks = quirks
    run(pipeline, source(tenant, query=QUARTER))
    assert titles(pipeline) == stored(tenant)


async def test_it_runs_where_a_loop_is_running(tenant: Emulator, pipeline: Any) -> None:
    """As in a notebook: the loop of the caller is not touched."""
    run(pipeline, source(tenant, query=QUARTER))
    assert titles(pipeline) == stored(tenant)
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.parametrize("handled_by", [nullcontext, intercepted_signals])
def test_an_interrupted_load_ends_at_once(
    tenant: Emulator, pipeline: Any, tmp_path: Path, handled_by: Callable[[], Any]
) -> None:
    """Ctrl-C ends it though no answer comes, and leaves no thread, file or state."""

    def interrupt(tenant: Emulator, page: int) -> None:
        if page == 3:
            tenant.fail("list", Fault.HANG, times=None)
            os.kill(os.getpid(), signal.SIGINT)

    tenant.on_page(interrupt)
    failures = (PipelineStepFailed, KeyboardInterrupt)
    with interruptible(), pytest.raises(failures), handled_by():
        run(pipeline, source(tenant, query=QUARTER))
    assert "aicc-dlt" not in {thread.name for thread in threading.enumerate()}
    assert not list(tmp_path.rglob("aicc-*"))
    assert state(pipeline) == {}


def test_details_are_in_extra(pipeline: Any) -> None:
    """Each case gets the parts of its detail, by their wire names, also those loaded without."""
    with run_in_thread(cases=5, since=SINCE, until=UNTIL) as tenant:
        for detail in (False, True):
            run(pipeline, source(tenant, query=QUARTER, detail=detail))
    found = [json.loads(extra) for (extra,) in select(pipeline, "SELECT extra FROM cases")]
    assert len(found) == 5
    assert all({"caseInfo", "caseTrace", "customerInfo"} <= extra.keys() for extra in found)


def test_a_load_without_cases_is_none_the_worse(pipeline: Any) -> None:
    """Nothing new is no failure, neither at first nor later; the windows say that it was looked."""
    with run_in_thread(cases=0) as tenant:
        for _ in range(2):
            run(pipeline, source(tenant, since=now() - timedelta(days=2)))
    found = select(
        pipeline, "SELECT sum(announced), count(DISTINCT _dlt_load_id) FROM cases_windows"
    )
    assert found == [(0, 2)]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"since": "2025-01-01"}, "since must be a datetime or None, got str"),
        ({"since": SINCE, "query": QUARTER}, "since cannot be combined with a start_time of query"),
        ({"query": {"priority": "High"}}, "query must be a CaseQuery or None, got dict"),
        ({"lookback": timedelta(-1)}, "lookback must be a timedelta from 0 to 3660 days, got -1 d"),
        ({"lookback": 86400}, "lookback must be a timedelta from 0 to 3660 days, got 86400"),
        ({"lookback": timedelta.max}, "lookback must be a timedelta from 0 to 3660 days, got 9999"),
        ({"client_secret": ""}, "^client_secret must not be empty$"),
        ({"client_id": None}, "^client_id must not be empty$"),
        ({"rate_limit": 5}, "^rate_limit must be a RateLimit or None, got int$"),
        (
            {"base_url": "http://example.org"},
            "^base_url must be https for example.org, unless allow_http=True$",
        ),
        ({"base_url": None}, "^AICC_BASE_URL must be set$"),
        (
            {"since": UNTIL, "query": CaseQuery(end_time=SINCE)},
            "^end_time must not be before start_time .*, got ",
        ),
    ],
)
def test_bad_settings_fail_before_anything_is_sent(
    tenant: Emulator, options: dict[str, Any], message: str
) -> None:
    """The source itself is refused, with the name and what was given."""
    who = {"client_id": "id", "client_secret": "hush", "base_url": tenant.url}
    with pytest.raises(ConfigError, match=message):
        aicc_cases(**{**who, **options})
    assert tenant.requests == []


@pytest.mark.parametrize("module", ["dlt", "pyarrow"])
def test_without_dlt_it_says_what_to_install(module: str) -> None:
    """Importing the connector is a ConfigError that names the extra."""
    code = f"import sys; sys.modules['{module}'] = None; import aicc_async.connectors.dlt"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)  # noqa: S603
    assert done.stderr.endswith(
        f"ConfigError: {module} is missing: pip install 'aicc-async[dlt]'\n"
    )


moments = st.datetimes(datetime(1990, 1, 2), datetime(2100, 1, 1)).map(  # noqa: DTZ001
    lambda moment: moment.replace(microsecond=0)
)
spans = st.timedeltas(timedelta(0), timedelta(days=400))


@given(start=st.none() | moments, end=moments, again=st.none() | moments, lookback=spans)
def test_the_next_start_leaves_nothing_out(
    start: datetime | None, end: datetime, again: datetime | None, lookback: timedelta
) -> None:
    """It is the look-back before the end, or the first window to be read again if that is older."""
    texts = [str(each) if each else None for each in (start, again)]
    found = next_start(LoadState(start=texts[0], end=str(end), again=texts[1]), lookback)
    assert found in {end - lookback, again, start}
    assert found == start or found <= end - lookback
    assert again is None or found == start or found <= again
    assert start is None or found >= start


@given(began=st.none() | moments, asked=st.none() | moments)
def test_a_state_is_good_for_what_it_covers(began: datetime | None, asked: datetime | None) -> None:
    """Loads that began later than is asked for now can't be continued."""
    start = str(began) if began else None
    ended = LoadState(start=start, end="2100-01-01 00:00:00", again=None)
    assert covers(ended, asked) == (began is None or (asked is not None and asked >= began))


def test_the_page_s_sample_runs(
    tenant: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It loads what was created since, into a DuckDB file of the pipeline's name."""
    monkeypatch.setenv("AICC_BASE_URL", tenant.url)
    monkeypatch.setenv("AICC_ACCESS_TOKEN", tenant.token())
    monkeypatch.setenv("DLT_DATA_DIR", str(tmp_path / "data"))
    scope: dict[str, Any] = {}
    exec(recipe("dlt_cases.py"), scope)  # noqa: S102  (ours)
    with scope["pipeline"].sql_client() as sql:
        assert sql.execute_sql("SELECT count(*) FROM cases") == [(300,)]

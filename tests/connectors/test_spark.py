"""The Spark source, in a real Spark: a JVM, four cores, and Python workers that are processes."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from zipfile import ZipFile
from zoneinfo import ZoneInfo

import pytest
from attrs import evolve
from helpers.company import GATEWAY_KEY, HEADERS, company
from helpers.list_requests import list_bodies
from helpers.recipes import recipe
from helpers.tinyproxy import PASSWORD

import aicc_async
from aicc_async import AICCClient, CaseQuery, ConfigError, StaticToken, export_cases
from aicc_async.emulator import Emulator, Fault, Quirks, run_in_thread
from aicc_async.export.sinks.parquet import Parquet
from aicc_async.settings.profile import Profile

pytest.importorskip("pyspark", reason="pyspark is missing: pip install 'aicc-async[spark]'")
if not shutil.which("java"):
    JAVA = "no Java is installed (Debian: apt-get install openjdk-17-jre-headless)"
    pytest.skip(JAVA, allow_module_level=True)

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
from pyspark.errors import AnalysisException, PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as sf
from pyspark.sql.streaming.datasource import ReadAllAvailable, ReadMaxRows

from aicc_async.connectors.spark.options import source_from_options
from aicc_async.connectors.spark.source import PUSHDOWN_SETTING, register
from aicc_async.connectors.spark.stream import CaseStream, Offset

pytest_plugins = ["helpers.redis_server"]
# A cold JVM on a slow machine.
pytestmark = [pytest.mark.timeout(240), pytest.mark.slow]
YEAR = {"since": "2025-01-01", "until": "2025-12-31"}
SHANGHAI = ZoneInfo("Asia/Shanghai")
RATE = 20
QUOTA = 25  # more by what a slow machine may hold up on the way


@pytest.fixture(scope="module")
def events(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Name the folder of Spark's event log."""
    return tmp_path_factory.mktemp("events")


@pytest.fixture(scope="module")
def spark(events: Path) -> Iterator[SparkSession]:
    """Run a Spark with four cores, where a task may fail twice."""
    settings: dict[str, bool | float | int | str | None] = {
        "spark.ui.enabled": "false",
        "spark.driver.memory": "512m",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.sql.shuffle.partitions": "2",
        "spark.sql.session.timeZone": "UTC",
        "spark.ui.showConsoleProgress": "false",
        "spark.eventLog.enabled": "true",
        "spark.eventLog.compress": "false",
        "spark.eventLog.rolling.enabled": "false",
        "spark.eventLog.dir": events.as_uri(),
        "spark.sql.warehouse.dir": (events / "warehouse").as_uri(),
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYSPARK_PYTHON", sys.executable)
        patch.setenv("AICC_CLIENT_ID", Emulator.client_id)
        patch.setenv("AICC_CLIENT_SECRET", Emulator.client_secret)
        builder = SparkSession.builder.master("local[4,3]").config(map=settings)
        session = builder.getOrCreate()
        session.sparkContext.setLogLevel("OFF")  # tests of failures would fill the screen
        register(session)
        yield session
        session.stop()


@pytest.fixture(scope="module")
def year() -> Iterator[Emulator]:
    """Run a tenant with 1500 cases of 2025, some of them in seconds where windows meet."""
    with run_in_thread(cases=1500) as tenant:
        edges = ["2025-01-31 23:59:58", "2025-01-31 23:59:59", "2025-02-01 00:00:00"]
        tenant.insert_many([{"createdDate": edge} for edge in edges * 3])
        yield tenant


@pytest.fixture
def tenant(year: Emulator) -> Iterator[Emulator]:
    """Lend that tenant to one test."""
    year.requests.clear()
    yield year
    year.on_page(None)
    year.clear_faults()
    year.quota, year.quirks = None, Quirks()


def load(spark: SparkSession, tenant: Emulator, **options: str) -> DataFrame:
    """Read a year of cases, in parts that are small enough for several tasks."""
    options = {"base_url": tenant.url, "rows_per_task": "150", **YEAR, **options}
    return spark.read.format("aicc_cases").options(**options).load()


def ids(frame: DataFrame) -> list[str]:
    """Collect the ids, sorted, each as often as it came."""
    return sorted(row.id for row in frame.select("id").collect())


def by_id(table: Any) -> list[dict[str, Any]]:
    """List rows by their ids; a map's entries have no order."""
    rows = table.sort_by("id").to_pylist()
    return [row | {"extra": dict(row["extra"])} for row in rows]


def test_a_company_s_network(
    spark: SparkSession, tenant: Emulator, events: Path, tmp_path: Path
) -> None:
    """Driver and workers pass its proxy and mTLS; no secret is in Spark's event log."""
    with company(tenant, tmp_path) as network:
        secrets = {"proxy_url": network.proxy.url, "secret_headers": HEADERS}
        frame = load(spark, tenant, base_url=network.url, **secrets, **network.files)
        assert len(ids(frame)) == 1509
        network.check()
    [log] = events.glob("local-*")
    text = log.read_text()
    assert "aicc_cases" in text
    assert not [secret for secret in (GATEWAY_KEY, PASSWORD) if secret in text]


def in_the_middle(tenant: Emulator, strike: Callable[[], object]) -> list[int]:
    """Do something once, when tasks have read a few pages; the list is not empty then."""
    struck: list[int] = []
    pages: list[int] = []

    def on_page(_: Emulator, number: int) -> None:
        # A limit of 1 is the driver's, which counts.
        if list_bodies(tenant)[-1]["limit"] > 1:
            pages.append(number)
        if len(pages) == 7 and not struck:
            struck.append(number)
            strike()

    tenant.on_page(on_page)
    return struck


def failed_tasks(spark: SparkSession, events: Path) -> int:
    """Count the tasks that failed since the session began."""
    assert spark.range(1).count() == 1  # its events come after those that are looked for
    [log] = events.glob("local-*")
    return log.read_text().count('"Task End Reason":{"Reason":"ExceptionFailure"')


async def test_a_year_is_what_the_export_wrote(
    spark: SparkSession, tenant: Emulator, tmp_path: Path, redis_url: str
) -> None:
    """Four workers bring, row for row, the cases of the JSONL export, none beyond the quota."""
    target, copy = tmp_path / "cases.jsonl", tmp_path / "cases.parquet"
    until = datetime(2025, 12, 31, 23, 59, 59)  # noqa: DTZ001  (wall-clock times)
    query = CaseQuery(start_time=datetime(2025, 1, 1), end_time=until)  # noqa: DTZ001
    async with AICCClient(tenant.url, auth=StaticToken(tenant.token())) as aicc:
        report = await export_cases(aicc, query, target)
    tenant.requests.clear()
    tenant.quota, refused = QUOTA, tenant.refused
    budget = {"rate": str(RATE), "redis_url": redis_url, "budget": "spark"}
    frame = load(spark, tenant, **budget)
    found = frame.toArrow()

    assert report.verified
    assert report.rows == found.num_rows == tenant.count()
    lines = target.read_bytes().splitlines(keepends=True)
    Parquet(copy, SHANGHAI).write([lines], keep=False)
    expected = pq.read_table(copy)
    assert found.schema.names == expected.schema.names
    assert by_id(found) == by_id(expected)
    assert frame.rdd.getNumPartitions() >= 8
    # Spark's, that of the driver, if it had none: the tasks' processes take it over.
    assert sum(each.operation == "token" for each in tenant.requests) <= 1
    assert tenant.refused == refused


def test_the_schema_is_that_of_the_parquet_sink(
    spark: SparkSession, tenant: Emulator, tmp_path: Path
) -> None:
    """Spark reads the sink's file with the very same columns."""
    file = tmp_path / "cases.parquet"
    Parquet(file, SHANGHAI).write([], keep=False)

    assert load(spark, tenant).schema == spark.read.parquet(str(file)).schema
    assert not tenant.requests  # telling it asks nothing


def test_a_task_that_fails_once_is_done_again(
    spark: SparkSession, tenant: Emulator, events: Path
) -> None:
    """An answer in the middle that is no JSON fails one attempt; no row is lost or doubled."""
    before = failed_tasks(spark, events)
    # A refusal might be taken for one of a deep page, which is read in halves.
    struck = in_the_middle(tenant, lambda: tenant.fail("list", Fault.NOT_JSON))
    found = ids(load(spark, tenant))

    assert struck
    assert failed_tasks(spark, events) > before
    assert found == sorted(tenant.ids())


def test_a_killed_worker_loses_and_doubles_nothing(
    spark: SparkSession, tenant: Emulator, events: Path
) -> None:
    """Python workers that are killed in the middle of tasks are replaced, and these redone."""
    before, killed = failed_tasks(spark, events), list[int]()
    struck = in_the_middle(tenant, lambda: killed.extend(kill_workers()))
    found = ids(load(spark, tenant))

    assert struck
    assert killed
    assert failed_tasks(spark, events) > before
    assert found == sorted(tenant.ids())


def kill_workers() -> list[int]:
    """Kill all Python workers of our JVM: they are what its worker daemons forked."""
    parents = {
        int(path.parent.name): int(path.read_text().rpartition(")")[2].split()[1])
        for path in Path("/proc").glob("[0-9]*/stat")
    }
    jvms = [pid for pid, parent in parents.items() if parent == os.getpid()]
    daemons = [pid for pid, parent in parents.items() if parent in jvms and _is_daemon(pid)]
    workers = [pid for pid, parent in parents.items() if parent in daemons]
    for pid in workers:
        os.kill(pid, signal.SIGKILL)
    return workers


def _is_daemon(pid: int) -> bool:
    return b"pyspark.daemon" in Path(f"/proc/{pid}/cmdline").read_bytes()


def test_an_unverified_part_fails_the_job(spark: SparkSession, tenant: Emulator) -> None:
    """Totals that never come true are an ExportError's text; strict=false takes what there is."""
    tenant.quirks = Quirks(count_offset=3)
    with pytest.raises(PySparkException, match=r"ExportError: 202[45]-(12-31|01).*rows were"):
        ids(load(spark, tenant, until="2025-01-31"))

    found = ids(load(spark, tenant, until="2025-01-31", strict="false"))
    assert found == sorted(tenant.ids(None, "2025-01-31 23:59:59"))


def test_filters_are_asked_of_the_service(spark: SparkSession, tenant: Emulator) -> None:
    """Equal texts and the range of creation narrow each request; Spark does the rest itself."""
    frame = load(spark, tenant).filter(
        "priority = 'High' and origin = 'Email' and created_date >= timestamp'2025-03-05 06:07:08'"
        " and created_date < timestamp'2025-04-05' and title like '%a%' and status <> 'New'"
    )
    found = ids(frame)

    assert 0 < len(found) < 100
    assert found == sorted(row["id"] for row in tenant.rows() if _fits(row))
    assert all(
        (each["priority"], each["origin"]) == ("High", "Email") for each in list_bodies(tenant)
    )
    # A second more at both ends for Spark's filter, and one for bounds that may be exclusive.
    ranges = [each for each in list_bodies(tenant) if "startTime" in each]
    assert min(each["startTime"] for each in ranges) == "2025-03-05 14:07:06"
    assert max(each["endTime"] for each in ranges if "endTime" in each) == "2025-04-05 08:00:02"


def _fits(row: dict[str, Any]) -> bool:
    when = "2025-03-05 14:07:08" <= row["createdDate"] < "2025-04-05 08:00:00"
    texts = (row["priority"], row["origin"]) == ("High", "Email")
    return when and texts and "a" in row["title"] and row["status"] != "New"


def test_one_of_several_texts_is_asked_of_the_service(
    spark: SparkSession, tenant: Emulator
) -> None:
    """Spark's IN narrows each page where that is fewer of them."""
    frame = load(spark, tenant, until="2025-01-30")
    found = ids(frame.filter("priority in ('High', 'Critical', null)"))
    rows, texts = tenant.rows(), {"High", "Critical"}
    wanted = [row for row in rows if row["priority"] in texts and row["createdDate"] < "2025-01-31"]
    assert found == sorted(row["id"] for row in wanted)
    pages = [each for each in list_bodies(tenant) if each["limit"] > 1]
    assert {each.get("priority") for each in pages} == texts


def test_ten_rows_take_few_requests(spark: SparkSession, tenant: Emulator) -> None:
    """A year is planned by a few totals; what is behind the ten rows is not planned any closer."""
    frame = load(spark, tenant, rows_per_task="10000")
    assert len(frame.limit(10).collect()) == 10
    assert sum(each["limit"] == 1 for each in list_bodies(tenant)) <= 6


def test_the_package_comes_as_a_zip_and_not_as_a_wheel(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Spark puts a file on its workers' path by the end of its name; all modules come from it."""
    # Spark changes the driver's path too.
    monkeypatch.setattr(sys, "path", [*sys.path])
    package = Path(aicc_async.__file__).parent
    files = [each for each in package.rglob("*") if each.suffix in {".py", ".lua"}]
    for name in ("aicc_wheel.whl", "aicc_wheel.zip"):
        with ZipFile(tmp_path / name, "w") as archive:
            for file in files:
                archive.write(file, file.relative_to(package.parent))
        spark.sparkContext.addPyFile(str(tmp_path / name))
    # By ``eval``, since workers can't import this module.
    paths = spark.sparkContext.parallelize(["__import__('sys').path"], 1).map(eval).collect()[0]
    [found] = [path for path in paths if "aicc_wheel" in path]
    assert found.endswith(".zip")
    command = "import aicc_async.connectors.spark.rows as rows; print(rows.__file__)"
    environ = {**os.environ, "PYTHONPATH": found}
    shown = subprocess.check_output(  # noqa: S603  (our own Python)
        [sys.executable, "-c", command], cwd=tmp_path, env=environ, text=True
    )
    assert shown.startswith(found)


class LockedConf:
    """The settings of a session that may not be changed, as on serverless compute."""

    def __init__(self, value: str | None) -> None:
        self._value = value

    def set(self, key: str, _: str) -> None:
        """Refuse."""
        raise AnalysisException(f"[CANNOT_MODIFY_CONFIG] {key}")

    def get(self, key: str, _: str) -> str:
        """Return the setting, or refuse that too."""
        if self._value is None:
            raise AnalysisException(f"[CONFIG_NOT_AVAILABLE] {key}")
        return self._value


@pytest.mark.parametrize("value", ["false", None], ids=["off", "not shown"])
def test_a_locked_session_reads_without_pushdown(
    spark: SparkSession, tenant: Emulator, value: str | None
) -> None:
    """Where the setting can't be made the format takes no filters; Spark filters all rows."""
    locked: Any = SimpleNamespace(conf=LockedConf(value), dataSource=spark.dataSource)
    spark.conf.set(PUSHDOWN_SETTING, "false")
    try:
        register(locked)
        found = ids(load(spark, tenant).filter("priority = 'High' and origin in ('Email')"))
    finally:
        register(spark)
    wanted = [
        row["id"] for row in tenant.rows() if (row["priority"], row["origin"]) == ("High", "Email")
    ]
    assert found == sorted(wanted)
    assert wanted
    assert not any("priority" in each for each in list_bodies(tenant))


def test_a_range_that_can_not_be_asks_nothing(spark: SparkSession, tenant: Emulator) -> None:
    """A filter outside of the options' range leaves no part to read."""
    frame = load(spark, tenant).filter("created_date > timestamp'2027-01-01'")

    assert ids(frame) == []
    assert list_bodies(tenant) == []


def test_a_filter_of_another_date_is_noticed(
    spark: SparkSession, tenant: Emulator, tmp_path: Path
) -> None:
    """A service that filters by another date fails the job, or is left to Spark by a profile."""
    tenant.quirks = Quirks(date_field="modifiedDate")
    wanted = "created_date >= timestamp'2025-06-01' and created_date < timestamp'2025-06-15'"
    with pytest.raises(PySparkException, match=r"ExportError: .*another date"):
        ids(load(spark, tenant).filter(wanted))
    profile = tmp_path / "profile.toml"
    Profile(date_field="other").save(profile)
    options = {"profile": str(profile), "until": "2026-03-31"}

    expected = [
        row["id"]
        for row in tenant.rows()
        if "2025-06-01 08:00:00" <= row["createdDate"] < "2025-06-15 08:00:00"
    ]
    assert ids(load(spark, tenant, **options).filter(wanted)) == sorted(expected)
    assert len(expected) > 10


def test_without_pushdown_spark_says_what_to_switch_on(
    spark: SparkSession, tenant: Emulator
) -> None:
    """That setting is made by ``register``; Spark names it when it was taken back."""
    spark.conf.set(PUSHDOWN_SETTING, "false")
    try:
        with pytest.raises(PySparkException, match=PUSHDOWN_SETTING):
            ids(load(spark, tenant))
    finally:
        register(spark)


def test_secrets_show_nowhere(
    spark: SparkSession, tenant: Emulator, events: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Secrets and contact data given as options are in no plan, no error and no event log."""
    options = {"client_id": tenant.client_id, "client_secret": "hush-hush"}
    frame = load(spark, tenant, **options).filter("priority = 'Low'")
    with pytest.raises(PySparkException, match="AuthError") as caught:
        ids(frame)
    options["client_secret"] = tenant.client_secret
    phone, contact = "13800001111", 'secret_filters \'{"contactPhone": "13800001111"}\''
    with pytest.raises(PySparkException, match=r"contact_phone must be set in .* secret_filters"):
        load(spark, tenant, **options, contact_phone="13900002222")
    filters = f'{{"contactPhone": "{phone}"}}'
    assert ids(load(spark, tenant, **options, secret_filters=filters)) == []
    frame = load(spark, tenant, **options).filter("priority = 'Low'")
    assert ids(frame)
    frame.explain(extended=True)
    name, secret = options["client_id"], options["client_secret"]
    stream = spark.readStream.format("aicc_cases").option("base_url", tenant.url)
    stream = stream.option("client_id", name).option("client_secret", secret)
    stream.option("secret_filters", filters).load().explain(extended=True)
    spark.sql(
        "CREATE OR REPLACE TEMPORARY VIEW cases USING aicc_cases OPTIONS"
        f" (base_url '{tenant.url}', client_id '{name}', client_secret '{secret}', {contact})"
    ).explain(extended=True)
    assert ids(spark.table("cases").filter("origin = 'Email'")) == []
    shown = capfd.readouterr().out
    [log] = events.glob("local-*")
    texts = [str(caught.value), shown, log.read_text()]

    assert "BatchScan aicc_cases" in shown
    assert "BatchScan aicc_cases" in texts[2]
    assert not [text for text in texts if "hush-hush" in text or tenant.client_secret in text]
    assert not [text for text in texts if phone in text or "13900002222" in text]
    tokens = {each.headers.get("access-token") for each in tenant.requests} - {None}
    assert tokens
    assert not [text for text in texts for token in tokens if token and token in text]


def test_options_that_can_not_be_right_fail_early(spark: SparkSession, tenant: Emulator) -> None:
    """A misspelt option fails the job on the driver, and asks nothing."""
    with pytest.raises(PySparkException, match=r"option must be one of .*, got 'colour'"):
        ids(load(spark, tenant, colour="red"))
    assert not tenant.requests


class Stream:
    """A streaming query into Parquet files that may be stopped and begun again."""

    def __init__(self, spark: SparkSession, folder: Path) -> None:
        self._spark = spark
        self._folder = folder

    def run(self, tenant: Emulator, options: dict[str, str], batches: int | None = None) -> None:
        """Run to its end, or until so many batches are done; then stop, wherever it is."""
        cases = self._spark.readStream.format("aicc_cases").option("base_url", tenant.url)
        writer = cases.options(**options).load().writeStream.format("parquet")
        writer = writer.option("checkpointLocation", str(self._folder / "checkpoint"))
        trigger: dict[str, Any] = {"processingTime": "0 seconds"} if batches else {}
        query = writer.trigger(**trigger or {"availableNow": True}).start(str(self._folder / "out"))
        while batches and query.isActive and len(self.commits()) < batches:
            query.awaitTermination(0.05)  # type: ignore[arg-type]  # seconds, halves too
        query.stop() if batches else query.awaitTermination()

    def commits(self) -> list[Path]:
        """List the batches that are done."""
        return list((self._folder / "checkpoint/commits").glob("[0-9]*"))

    def ids(self) -> list[str]:
        """Read what came, each as often as it came."""
        return ids(self._spark.read.parquet(str(self._folder / "out")))


def test_a_stream_brings_each_case_once(spark: SparkSession, tmp_path: Path) -> None:
    """Over bounded batches, a stop in the middle and a restart; then what is new, and no more."""
    stream, lately = Stream(spark, tmp_path), datetime.now(SHANGHAI).replace(tzinfo=None)
    since = lately.replace(microsecond=0) - timedelta(days=90)
    with run_in_thread(cases=900, since=since, until=lately - timedelta(minutes=1)) as tenant:
        options = {"since": since.isoformat(), "settle": "2s", "max_rows": "150"}
        stream.run(tenant, options, batches=2)
        assert len(stream.commits()) >= 2
        assert len(stream.ids()) < tenant.count()
        stream.run(tenant, options)
        assert stream.ids() == sorted(tenant.ids())
        tenant.insert()
        for _ in range(20):  # until it has settled: 2 s, of which Spark takes most
            stream.run(tenant, options)
            if len(stream.ids()) == tenant.count():
                break
        stream.run(tenant, options)
        assert stream.ids() == sorted(tenant.ids())


def streamed(tenant: Emulator, **options: str) -> CaseStream:
    """Make the reader of a stream, as Spark does."""
    return CaseStream(source_from_options({"base_url": tenant.url, **options}))


@pytest.fixture
def signed_in(set_variables: Callable[..., None]) -> None:
    """Give this process the credentials that the workers have."""
    set_variables(AICC_CLIENT_ID=Emulator.client_id, AICC_CLIENT_SECRET=Emulator.client_secret)


@pytest.mark.usefixtures("signed_in")
def test_a_batch_keeps_to_its_bounds(tenant: Emulator) -> None:
    """Rows and days are bounded, unless Spark wants all there is; each batch goes on."""
    stream = streamed(tenant, since="2025-01-01", max_rows="100", max_days="20")
    offset: Offset = stream.initialOffset()
    assert offset == {"time": "2025-01-01T00:00:00", "goes_on": False}
    limit, found = stream.getDefaultReadLimit(), list[str]()
    assert limit == ReadMaxRows(100)
    for _ in range(8):
        end = stream.latestOffset(offset, limit)
        first, last = (each["time"].replace("T", " ") for each in (offset, end))
        assert first < last
        assert datetime.fromisoformat(last) - datetime.fromisoformat(first) <= timedelta(days=20)
        assert len(tenant.ids(first, last)) <= 100
        for part in stream.partitions(offset, end):
            batches = list(stream.read(part))
            found += pa.Table.from_batches(batches)["id"].to_pylist() if batches else []
        offset = end
    assert sorted(found) == sorted(tenant.ids(None, offset["time"].replace("T", " ")))
    everything = stream.latestOffset(offset, ReadAllAvailable())
    assert everything["time"] > "2026"
    assert stream.latestOffset()["time"] > "2026"  # as Spark asked before 4.2
    assert stream.latestOffset(everything | {"time": "2999-01-01T00:00:00"}, limit) == {
        "time": "2999-01-01T00:00:00",
        "goes_on": True,
    }
    assert stream.partitions(everything, everything) == []


@pytest.mark.usefixtures("signed_in")
def test_a_stream_without_a_beginning_begins_now(tenant: Emulator) -> None:
    """Only what is new comes; an end is refused."""
    begun = datetime.fromisoformat(streamed(tenant, timezone="UTC").initialOffset()["time"])
    behind = datetime.now(UTC).replace(tzinfo=None) - begun

    assert timedelta(minutes=5) <= behind < timedelta(minutes=6)
    with pytest.raises(ConfigError, match="until must not be set for a stream"):
        streamed(tenant, until="2025-12-31")


@pytest.mark.usefixtures("signed_in")
def test_a_beginning_to_come_is_waited_for(tenant: Emulator) -> None:
    """Until then nothing is read, and then not without the very first second."""
    stream = streamed(tenant, since="2999-01-01")
    begin = {"time": "2999-01-01T00:00:00", "goes_on": False}

    assert stream.initialOffset() == begin
    assert stream.latestOffset() == begin
    assert stream.latestOffset(begin, ReadMaxRows(1)) == begin
    assert not list_bodies(tenant)


@pytest.mark.usefixtures("signed_in")
def test_what_is_available_now_ends_there(tenant: Emulator) -> None:
    """A run to its end goes as far as was settled when it began, and then stays."""
    stream = streamed(tenant, since="2025-01-01", max_days="10000", settle="2s")
    stream.prepareForTriggerAvailableNow()
    target = stream._target
    end = stream.latestOffset(stream.initialOffset(), ReadMaxRows(10**6))

    stream._source = evolve(stream._source, settle=-timedelta(days=1))
    assert stream.latestOffset(end, ReadMaxRows(10**6)) == end
    assert target == datetime.fromisoformat(end["time"])


@pytest.mark.usefixtures("signed_in")
@pytest.mark.parametrize(
    ("since", "offset"),
    [
        ("2025-10-26T01:30:00+02:00", "2025-10-26T01:30:00"),
        ("2025-10-26T02:30:00+02:00", "2025-10-26T02:00:00"),
        ("2025-10-26T02:00:00+01:00", "2025-10-26T02:00:00"),
        ("2025-10-26T02:30:00+01:00", "2025-10-26T02:30:00"),
    ],
    ids=["before", "shown first", "begins again", "shown again"],
)
def test_an_offset_waits_where_clocks_are_put_back(
    tenant: Emulator, since: str, offset: str
) -> None:
    """No offset is later than a time that the tenant's clock is yet to show."""
    stream = streamed(tenant, since=since, timezone="Europe/Berlin")

    assert stream.initialOffset()["time"] == offset


def test_a_count_needs_no_columns(spark: SparkSession, tenant: Emulator) -> None:
    """Grouping and counting in Spark agree with the tenant."""
    months = load(spark, tenant).groupBy(
        sf.date_trunc("month", sf.from_utc_timestamp("created_date", "Asia/Shanghai")).alias("m")
    )
    found = {f"{row.m:%Y-%m}": row["count"] for row in months.count().collect()}

    rows = [row["createdDate"][:7] for row in tenant.rows()]
    assert found == {month: rows.count(month) for month in set(rows)}


def run_script(code: str, tenant: Emulator, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a script of the connector's page, in a Spark of its own."""
    variables = {"AICC_BASE_URL": tenant.url, "AICC_ACCESS_TOKEN": tenant.token()}
    return subprocess.run(  # noqa: S603
        [sys.executable, "-c", code],
        cwd=folder,
        env={**os.environ, **variables, "PYSPARK_PYTHON": sys.executable},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_page_s_sample_runs(tenant: Emulator, tmp_path: Path) -> None:
    """It counts a year's urgent cases by where they came from."""
    done = run_script(recipe("spark_cases.py"), tenant, tmp_path)
    cells = [line.split("|") for line in done.stdout.splitlines() if line.count("|") == 3]
    urgent = sum(row["priority"] == "High" for row in tenant.rows())
    assert sum(int(count) for _, _, count, _ in cells[1:]) == urgent > 0, done.stderr


def test_the_page_s_stream_runs(tenant: Emulator, tmp_path: Path) -> None:
    """It writes each case that there is once, and ends."""
    done = run_script(recipe("spark_stream.py"), tenant, tmp_path)
    assert done.returncode == 0, done.stderr
    ids = pq.read_table(tmp_path / "cases", columns=["id"])["id"].to_pylist()
    assert sorted(ids) == sorted(tenant.ids())

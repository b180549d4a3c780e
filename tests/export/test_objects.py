"""Exports into a bucket: an object that is there as a whole, and its manifest after it."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import os
from contextvars import copy_context
from datetime import timedelta
from pathlib import Path

import pytest
from helpers.buckets import SECRET, Bucket
from helpers.exports import QUARTER, start_export

from aicc_async import AICCClient, ConfigError, ExportError, export_cases
from aicc_async.emulator import Emulator
from aicc_async.export.sinks import objects
from aicc_async.export.sinks.objects import S3Object
from aicc_async.export.stop import Stop, StoppedError, run_with

pytest_plugins = ["helpers.s3_server"]
pytest.importorskip("obstore", reason="the extra 's3' is not installed")
pq = pytest.importorskip("pyarrow.parquet", reason="the extra 'parquet' is not installed")
KEY = "aicc/2025/cases.parquet"
URL = f"s3://history/{KEY}"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def names(folder: Path) -> list[str]:
    """List a folder."""
    return [path.name for path in folder.iterdir()]


async def test_an_export_is_an_object_with_a_manifest(
    aicc: AICCClient, tenant: Emulator, bucket: Bucket, folder: Path
) -> None:
    """Both are whole, the digest is that of the object, and nothing stays on this machine."""
    report = await export_cases(aicc, QUARTER, URL)
    assert (report.target, report.format, report.verified) == (URL, "parquet", True)
    assert bucket.keys() == [KEY, f"{KEY}.manifest.json"]
    content = bucket.read(KEY)
    assert (report.size, report.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    assert sorted(pq.read_table(io.BytesIO(content))["id"].to_pylist()) == sorted(tenant.ids())
    written = json.loads(bucket.read(f"{KEY}.manifest.json"))
    assert (written["rows"], written["target"]) == (len(tenant.ids()), URL)
    assert names(folder) == []
    # The next one replaces it, which an export has written.
    tenant.insert(createdDate="2025-01-20 00:00:00")
    assert (await export_cases(aicc, QUARTER, URL)).rows == len(tenant.ids())


async def test_a_warning_names_the_object(
    aicc: AICCClient, tenant: Emulator, bucket: Bucket
) -> None:
    """The file on this machine is gone when somebody reads it."""
    row_id = tenant.insert(createdDate="2025-01-20 00:00:00", isUpgraded="true")
    with pytest.warns(RuntimeWarning, match=rf"^{URL}: values .* is case {row_id}\)$"):
        await export_cases(aicc, QUARTER, URL)
    assert bucket.keys() == [KEY, f"{KEY}.manifest.json"]


@pytest.mark.parametrize("name", ["cases.jsonl", "cases.csv", "月/cases.jsonl.gz"])
async def test_every_format_of_a_file(aicc: AICCClient, bucket: Bucket, name: str) -> None:
    """Each is what it would be in a folder, also under a prefix in Chinese."""
    report = await export_cases(aicc, QUARTER, f"s3://history/{name}")
    assert report.sha256 == hashlib.sha256(bucket.read(name)).hexdigest()


async def test_an_object_of_somebody_is_kept(
    aicc: AICCClient, tenant: Emulator, bucket: Bucket
) -> None:
    """It is refused before the first request, and so is somebody's manifest, unless overwritten."""
    bucket.put(KEY, b"mine")
    with pytest.raises(ConfigError, match=rf"cannot overwrite {URL}: no export has written it"):
        await export_cases(aicc, QUARTER, URL)
    bucket.put(f"{KEY}.manifest.json", b'{"name": "mine"}')
    with pytest.raises(ConfigError, match=rf"cannot overwrite {URL}\.manifest\.json: no export"):
        await export_cases(aicc, QUARTER, URL)
    assert (bucket.read(KEY), tenant.requests) == (b"mine", [])
    await export_cases(aicc, QUARTER, URL, overwrite=True)
    assert bucket.read(KEY)[:4] == b"PAR1"


async def test_an_upload_that_fails_is_resumed(
    aicc: AICCClient, tenant: Emulator, bucket: Bucket, folder: Path
) -> None:
    """What was read is kept in the working directory, and is not read again."""
    away = "s3://another/x.csv"
    with pytest.raises(ExportError, match=f"cannot write {away}: there is no such bucket"):
        await export_cases(aicc, QUARTER, away, overwrite=True)
    assert names(folder) == [".another_x.csv.export"]
    bucket.client.create_bucket(Bucket="another")
    requests = len(tenant.requests)
    await export_cases(aicc, QUARTER, away)
    assert len(tenant.requests) - requests < 3
    found = bucket.client.list_objects_v2(Bucket="another")["Contents"]
    assert [each["Key"] for each in found] == ["x.csv", "x.csv.manifest.json"]
    assert names(folder) == []


async def test_a_bucket_that_is_not_there_is_an_error_at_once(
    aicc: AICCClient, tenant: Emulator, bucket: Bucket
) -> None:
    """Before anything was read."""
    assert bucket.keys() == []
    with pytest.raises(ExportError, match=r"cannot read s3://nobody/x\.csv: .* no such bucket"):
        await export_cases(aicc, QUARTER, "s3://nobody/x.csv")
    assert tenant.requests == []


def test_an_upload_in_parts_is_completed_or_aborted(
    bucket: Bucket, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stop between two parts leaves neither an object nor an upload."""
    monkeypatch.setattr(objects, "PART_SIZE", 5 * 2**20)
    content = os.urandom(2**20) * 12
    file = folder / "large"
    file.write_bytes(content)
    S3Object("s3://history/large.csv").upload(file)
    assert bucket.read("large.csv") == content

    class Stopping(Stop):
        """Is set when it was looked at some times."""

        looked = 0

        def check(self) -> None:
            self.looked += 1
            if self.looked == 3:
                self.set()
            super().check()

    target = S3Object("s3://history/stopped.csv")
    # In a context of its own, as a thread has: no other test is to be stopped.
    with pytest.raises(StoppedError):
        copy_context().run(run_with, Stopping(), lambda: target.upload(file))
    assert (bucket.keys(), bucket.uploads()) == (["large.csv"], [])


@pytest.mark.parametrize(
    ("target", "options", "message"),
    [
        ("s3://history/cases.db", {}, "the format sqlite cannot be combined with an s3:// target"),
        ("s3://history/x", {"format": "postgres"}, "postgres"),
        (URL, {"partition_by": "month"}, "partition_by cannot be combined with an s3:// target"),
        (URL, {"since_last": timedelta(1)}, "since_last cannot be combined with an s3:// target"),
        ("s3://cases.jsonl", {}, "target must be s3://bucket/prefix/name"),
        ("s3://user:pass@history/cases.jsonl", {}, r"target must be s3://bucket(?!.*pass)"),
        ("s3://history//cases.jsonl", {}, "target must be s3://bucket/prefix/name"),
        ("s3://history/../cases.jsonl", {}, "target must be s3://bucket/prefix/name"),
        ("s3://history/a#b.jsonl", {}, "target must be s3://bucket/prefix/name"),
        (f"s3://history/{'x' * 1020}.csv", {}, "target must have a key of at most 1010 bytes"),
    ],
)
async def test_what_cannot_be_is_refused(
    aicc: AICCClient, tenant: Emulator, target: str, options: dict[str, object], message: str
) -> None:
    """Before any request, to the tenant or to the bucket."""
    with pytest.raises(ConfigError, match=message):
        await export_cases(aicc, QUARTER, target, **options)  # type: ignore[arg-type]
    assert tenant.requests == []


@pytest.mark.parametrize("name", objects.ENDPOINT_VARIABLES)
def test_an_endpoint_in_clear_is_refused(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """But on this machine, or where a variable allows it."""
    monkeypatch.setenv(name, "http://obs.example")
    with pytest.raises(ConfigError, match="must be an https URL, unless AWS_ALLOW_HTTP=true"):
        S3Object(URL)
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
    assert S3Object(URL).name == URL


async def test_no_error_shows_a_key(
    aicc: AICCClient, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer of a service that refuses names the access key; the error does not."""
    assert bucket.keys() == []
    body = b"<Error><Code>InvalidAccessKeyId</Code><K>key-of-the-tests</K></Error>"

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = f"HTTP/1.1 403 Forbidden\r\nconnection: close\r\ncontent-length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{port}")
        with pytest.raises(ExportError, match=f"cannot read {URL}: HTTP 403") as caught:
            await export_cases(aicc, QUARTER, URL)
    shown = f"{caught.value!r} {caught.value} {caught.value.resume}"
    assert "AWS_ENDPOINT_URL" in shown
    assert SECRET not in shown
    assert "key-of-the-tests" not in shown
    assert caught.value.__cause__ is None


async def test_the_command_writes_into_a_bucket(
    tenant: Emulator, bucket: Bucket, folder: Path
) -> None:
    """With the variables of its environment; it names the object, and leaves nothing behind."""
    period = ("--since", "2025-01-01", "--until", "2025-04-01")
    process = start_export(tenant, folder, URL, *period)
    out, err = await asyncio.to_thread(process.communicate)
    assert (process.returncode, out.partition(" cases")[0]) == (0, f"{URL}: 300"), err
    assert bucket.keys() == [KEY, f"{KEY}.manifest.json"]
    assert names(folder) == []


async def test_a_cancelled_upload_is_given_up(
    aicc: AICCClient, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the store takes the bytes and never answers; the checkpoint stays."""
    assert bucket.keys() == []
    monkeypatch.setattr(objects, "ABORT_SECONDS", 0)
    arrived, left = asyncio.Event(), asyncio.Event()

    async def keep_silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        arrived.set()
        await reader.read()
        writer.close()
        await writer.wait_closed()
        left.set()

    async with await asyncio.start_server(keep_silent, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
        task = asyncio.create_task(export_cases(aicc, QUARTER, URL, overwrite=True))
        await arrived.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await left.wait()
    assert names(Path()) == [".history_aicc_2025_cases.parquet.export"]

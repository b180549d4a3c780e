"""Objects of a bucket, in any store that speaks S3: the whole object, or none.

The idea: S3 shows an object once its upload is completed, and never a part of it. So a file is
written on this machine, as any other target, and uploaded when it is whole; its manifest is
uploaded after it. A manifest beside an object says that an export has written that.

What it cannot do: end an upload in parts that a kill leaves behind. The bucket's rule for
incomplete uploads does; they are nowhere to be seen until then.

Errors of the store are not shown as they are: they quote answers, with access keys in them.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar, TypeVar
from urllib.parse import urlsplit

from ..._optional import load
from ...errors import ConfigError, ExportError
from ...settings.network import is_this_machine
from .. import manifest
from ..stop import Stop, StoppedError, current_stop
from .sink import Batch, Seal, Sink, Written, ignore

T = TypeVar("T")
SCHEME = "s3://"
EXTRA = "s3"
# The more special one first, as AWS's own programs read them.
ENDPOINT_VARIABLES = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")
# An upload may have 10,000 parts: this is enough for 160 GB.
PART_SIZE = 2**24  # bytes
POLL_INTERVAL = 0.1  # seconds
# For an upload to be aborted, before it is left to the bucket's rule.
ABORT_SECONDS = 1.0
MAX_KEY_BYTES = 1024 - len(manifest.SUFFIX)
# Without those that the store would write in another way.
_URL = re.compile(r"s3://(?P<bucket>[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])/(?P<key>[\w!.()'=/ -]+)")


class S3Object:
    """An object ``s3://bucket/key``; where and for whom is in the usual ``AWS_*`` variables.

    Raises ConfigError for what is no such URL, for an endpoint that is not safe, and when obstore
    is not installed.
    """

    def __init__(self, url: str) -> None:
        found = _URL.fullmatch(url)
        # The URL is not shown: somebody may have put a password into it.
        if not found or {"", ".", ".."} & set(found["key"].split("/")):
            raise ConfigError(
                "target must be s3://bucket/prefix/name, with a key of letters, digits, spaces and"
                " any of !-_.()'=/"
            )
        if len(found["key"].encode()) > MAX_KEY_BYTES:
            raise ConfigError(f"target must have a key of at most {MAX_KEY_BYTES} bytes")
        self.name = url
        self._key = found["key"]
        self._bucket = found["bucket"]
        self._obstore = load("obstore", EXTRA)
        self._store = self._open_store()

    @property
    def local_name(self) -> str:
        """The name that its files on this machine have in theirs."""
        return re.sub(r"[^\w.=-]+", "_", self.name.removeprefix(SCHEME))

    def upload(self, file: Path) -> None:
        """Upload a file as the object; call it in a thread."""
        self._put(self._key, _pieces(file, current_stop()))

    def publish(self, file: Path) -> None:
        """Upload the object's manifest, and remove it from this machine."""
        self._put(self._key + manifest.SUFFIX, file.read_bytes())
        file.unlink()

    def find_foreign(self) -> str | None:
        """Return the object, or its manifest, if no export has written it; call it in a thread."""
        name = self.name + manifest.SUFFIX
        content = self._get(self._key + manifest.SUFFIX)
        if content is None:
            try:
                self._call("read", lambda: self._obstore.head_async(self._store, self._key))
            except FileNotFoundError:
                return None
            return self.name
        try:
            manifest.decode(content, name)
        except ConfigError:
            return name
        return None

    def _open_store(self) -> Any:
        options: dict[str, Any] = {}
        endpoint = next(filter(None, map(os.environ.get, ENDPOINT_VARIABLES)), None)
        if endpoint:
            options["endpoint"] = endpoint
            # Data and signatures must not travel in clear, but within this machine.
            host = None
            with suppress(ValueError):
                host = urlsplit(endpoint).hostname
            if host and is_this_machine(host):
                options["client_options"] = {"allow_http": True}
            elif not endpoint.startswith("https://") and not os.environ.get("AWS_ALLOW_HTTP"):
                raise ConfigError(
                    f"{' or '.join(ENDPOINT_VARIABLES)} must be an https URL, unless"
                    " AWS_ALLOW_HTTP=true"
                )
        try:
            return load("obstore.store", EXTRA).S3Store(self._bucket, **options)
        except (self._obstore.exceptions.BaseError, ValueError):
            raise ConfigError(f"cannot use {self.name}: an AWS_* variable is not valid") from None

    def _put(self, key: str, pieces: Iterator[bytes] | bytes) -> None:
        self._call(
            "write", lambda: self._obstore.put_async(self._store, key, pieces, chunk_size=PART_SIZE)
        )

    def _get(self, key: str) -> bytes | None:
        async def read() -> bytes:
            answer = await self._obstore.get_async(self._store, key)
            return bytes(await answer.bytes_async())

        try:
            return self._call("read", read)
        except FileNotFoundError:
            return None

    def _call(self, verb: str, work: Callable[[], Awaitable[T]]) -> T:
        """Return what a call returns; FileNotFoundError when there is no such object to read."""
        try:
            return asyncio.run(_wait_for(work))
        except (self._obstore.exceptions.BaseError, OSError) as error:
            reason = _reason(error)
            if verb == "read" and reason is None:
                raise FileNotFoundError from None
            raise ExportError(
                f"cannot {verb} {self.name}: {reason or 'there is no such bucket'}",
                resume="check AWS_ENDPOINT_URL, AWS_REGION, the credentials and the bucket, then"
                " run the same again",
            ) from None


class Uploaded:
    """A sink that writes ``file`` by another sink, and uploads it before anybody sees it."""

    upserts: ClassVar[bool] = False

    def __init__(self, sink: Sink, file: Path, target: S3Object) -> None:
        self._sink = sink
        self._file = file
        self._target = target

    def write(self, batches: Iterable[Batch], *, keep: bool, seal: Seal = ignore) -> int:
        """Write the object anew; nothing of it stays on this machine."""
        if keep:
            raise ConfigError(f"cannot append to {self._target.name}: objects are written anew")

        def upload(part: Path | None, written: Written) -> None:
            seal(part, written)
            if part:
                self._target.upload(part)

        try:
            return self._sink.write(batches, keep=False, seal=upload)
        finally:
            with suppress(OSError):
                self._file.unlink(missing_ok=True)


async def _wait_for(work: Callable[[], Awaitable[T]]) -> T:
    """Wait for a call of the store; give it up when the thread is stopped."""
    stop = current_stop()
    task = asyncio.ensure_future(work())
    try:
        while not (await asyncio.wait([task], timeout=POLL_INTERVAL))[0]:
            stop.check()
    except StoppedError:
        # The pieces have ended too, which makes the store abort.
        await asyncio.wait([task], timeout=ABORT_SECONDS)
        task.cancel()
        await asyncio.wait([task])
        # The store hears of it in a later turn of the loop; without one its upload would go on.
        await asyncio.sleep(POLL_INTERVAL)
        if not task.cancelled():
            # Looking at it keeps asyncio from reporting it.
            task.exception()
        raise
    return task.result()


def _pieces(file: Path, stop: Stop) -> Iterator[bytes]:
    # The store asks for them in a thread of its own, which has no current_stop.
    with file.open("rb", buffering=0) as whole:
        while piece := whole.read(PART_SIZE):
            stop.check()
            yield piece


def _reason(error: Exception) -> str | None:
    """Return what a store's error says, without what may be secret; None: no such object."""
    text = str(error)
    if "<Code>NoSuchBucket</Code>" in text:
        return "there is no such bucket"
    if isinstance(error, FileNotFoundError):
        return None
    status = re.search(r"status code: (\d{3})\b", text)
    if status:
        return f"HTTP {status[1]}"
    if "error sending request" in text:
        return "no connection"
    return getattr(error, "strerror", None) or type(error).__name__

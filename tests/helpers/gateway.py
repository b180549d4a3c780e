"""A gateway before a tenant: it passes bytes on, is gone for a while, or refuses as nginx does."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from types import TracebackType
from typing import Self

PAGE = b"<html><head><title>503 Service Temporarily Unavailable</title></head></html>\r\n"
BUSY = (
    b"HTTP/1.1 503 Service Temporarily Unavailable\r\nServer: nginx\r\nContent-Type: text/html\r\n"
    b"Content-Length: %d\r\nConnection: close\r\n\r\n%s" % (len(PAGE), PAGE)
)
PIECE = 2**16


class Gateway:
    """Passes connections on to a port of this machine; ``busy`` so many requests are refused."""

    def __init__(self, port: int) -> None:
        self.busy = 0
        self._tenant = port
        self._port = 0
        self._refusals = 0
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._waiting: set[asyncio.Task[None]] = set()
        self._passing: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        await self._listen()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await asyncio.gather(*self._waiting)
        if self._server:
            self._server.close()
        self._cut()
        await asyncio.gather(*self._passing)
        if self._server:
            await self._server.wait_closed()

    @property
    def url(self) -> str:
        """The address that a client is given."""
        return f"http://127.0.0.1:{self._port}"

    def refuse(self, turns: int) -> None:
        """Cut all connections, and listen no more until the loop went round so many hundred times.

        Nothing tells how many connections were refused meanwhile.
        """
        if self._server is None:
            return
        self._cut()
        self._server.close()
        self._server = None
        waiting = asyncio.create_task(self._come_back(turns))
        self._waiting.add(waiting)
        waiting.add_done_callback(self._waiting.discard)

    async def _come_back(self, turns: int) -> None:
        for _ in range(100 * turns):
            await asyncio.sleep(0)
        await self._listen()

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        passing = asyncio.create_task(self._pass_on(reader, writer))
        self._passing.add(passing)
        passing.add_done_callback(self._passing.discard)

    def _cut(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        inner, outer = await asyncio.open_connection("127.0.0.1", self._tenant)
        both = {writer, outer}
        self._writers |= both
        await asyncio.gather(
            self._copy(reader, outer, back=writer), self._copy(inner, writer, back=None)
        )
        self._writers -= both
        for each in both:
            with suppress(OSError):
                await each.wait_closed()

    async def _copy(
        self,
        source: asyncio.StreamReader,
        sink: asyncio.StreamWriter,
        *,
        back: asyncio.StreamWriter | None,
    ) -> None:
        """Copy bytes until either end is gone; with ``back`` those of requests."""
        with suppress(OSError):
            while piece := await source.read(PIECE):
                if back and self.busy:
                    self.busy -= 1
                    back.write(BUSY)
                    await back.drain()
                    break
                sink.write(piece)
                await sink.drain()
        sink.close()
        if back:
            back.close()

"""A proxy that delivers what it carries some time later, each way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class _Carrier(asyncio.Protocol):
    """One side of a connection: what comes is written to the other side a while later."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._early: list[bytes] = []
        self._other: asyncio.Transport | None = None
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note where to write."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """Write it to the other side, later."""
        if self._seconds:
            asyncio.get_running_loop().call_later(self._seconds, self._write, data)
        else:
            self._write(data)

    def connection_lost(self, _: Exception | None) -> None:
        """Close the other side."""
        if self._other:
            self._other.close()

    def join(self, other: asyncio.Transport | None) -> None:
        """Set where what comes goes to."""
        self._other = other
        for data in self._early:
            self._write(data)

    def _write(self, data: bytes) -> None:
        if self._other:
            self._other.write(data)
        else:
            self._early.append(data)


class _Relay(_Carrier):
    """The client's side: it connects to the server, which is ``host:port`` or a unix socket."""

    def __init__(
        self, target: str, *, there: float, back: float, tasks: set[asyncio.Task[None]]
    ) -> None:
        super().__init__(there)
        self._target = target
        self._back = back
        self._tasks = tasks

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connect."""
        super().connection_made(transport)
        self._tasks.add(asyncio.create_task(self._connect()))

    async def _connect(self) -> None:
        loop, back = asyncio.get_running_loop(), _Carrier(self._back)
        try:
            if self._target.startswith("/"):
                await loop.create_unix_connection(lambda: back, self._target)
            else:
                host, port = self._target.split(":")
                await loop.create_connection(lambda: back, host, int(port))
        except OSError:
            assert self.transport
            self.transport.close()
            return
        back.join(self.transport)
        self.join(back.transport)


@asynccontextmanager
async def delayed(target: str, *, there: float, back: float) -> AsyncIterator[str]:
    """Run a proxy of ``host:port`` or of a unix socket; yield its own ``host:port``."""
    loop, tasks = asyncio.get_running_loop(), set[asyncio.Task[None]]()
    server = await loop.create_server(
        lambda: _Relay(target, there=there, back=back, tasks=tasks), "127.0.0.1", 0
    )
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()

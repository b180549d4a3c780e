"""TLS before a server that has none, in a thread: certificates of a private authority, or mTLS."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from pathlib import Path

import trustme
from attrs import frozen

PIECE = 2**16


@frozen
class Authority:
    """A private authority, and the files that a user of it has."""

    ca: trustme.CA
    ca_file: Path
    # A certificate with its key, and the two apart.
    client: Path
    client_cert: Path
    client_key: Path

    def server_context(self, *, wants_certificate: bool = False) -> ssl.SSLContext:
        """Return what a server of this machine needs; with it, clients must show a certificate."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.ca.issue_cert("127.0.0.1", "localhost").configure_cert(context)
        if wants_certificate:
            self.ca.configure_trust(context)
            context.verify_mode = ssl.CERT_REQUIRED
        return context


def make_authority(folder: Path) -> Authority:
    """Make an authority, and write its files into a folder."""
    ca = trustme.CA()
    client = ca.issue_cert("clerk@tenant.invalid")
    made = Authority(ca, *(folder / f"{name}.pem" for name in ("ca", "client", "cert", "key")))
    ca.cert_pem.write_to_path(made.ca_file)
    client.private_key_and_cert_chain_pem.write_to_path(made.client)
    client.cert_chain_pems[0].write_to_path(made.client_cert)
    client.private_key_pem.write_to_path(made.client_key)
    return made


@contextmanager
def terminating(port: int, context: ssl.SSLContext) -> Iterator[int]:
    """Take TLS off what comes to the port that this gives, and pass it on to another one."""
    started: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event, int]] = Future()

    async def serve() -> None:
        passing: set[asyncio.Task[None]] = set()
        is_over = asyncio.Event()

        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.create_task(_pass_on(reader, writer, port))
            passing.add(task)
            task.add_done_callback(passing.discard)

        server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=context)
        started.set_result(
            (asyncio.get_running_loop(), is_over, server.sockets[0].getsockname()[1])
        )
        await is_over.wait()
        server.close()
        for task in passing:
            task.cancel()
        await asyncio.gather(*passing, return_exceptions=True)

    thread = threading.Thread(target=lambda: asyncio.run(serve()), name="tls-front")
    thread.start()
    loop, is_over, own_port = started.result()
    try:
        yield own_port
    finally:
        loop.call_soon_threadsafe(is_over.set)
        thread.join()


async def _pass_on(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int
) -> None:
    inner, outer = await asyncio.open_connection("127.0.0.1", port)
    try:
        await asyncio.gather(_copy(reader, outer), _copy(inner, writer))
    finally:
        for each in (writer, outer):
            each.transport.abort()
            with suppress(OSError):
                await each.wait_closed()


async def _copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while piece := await source.read(PIECE):
            sink.write(piece)
            await sink.drain()
    sink.close()

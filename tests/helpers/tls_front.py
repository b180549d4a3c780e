"""TLS before a server that has none: certificates of a private authority, or mTLS.

In threads, on blocking sockets: an asyncio server closes without an alert when it refuses a client.
"""

from __future__ import annotations

import select
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from socketserver import BaseRequestHandler, ThreadingTCPServer

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

    class Handler(BaseRequestHandler):
        def handle(self) -> None:
            # A client that is refused, or goes away, ends its own connection alone.
            with (
                suppress(OSError),
                context.wrap_socket(self.request, server_side=True) as outer,
                socket.create_connection(("127.0.0.1", port)) as inner,
            ):
                _pass_on(outer, inner)

    class Server(ThreadingTCPServer):
        daemon_threads = True

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=lambda: server.serve_forever(0.01), name="tls-front")
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


def _pass_on(outer: ssl.SSLSocket, inner: socket.socket) -> None:
    while True:
        ready = [outer] if outer.pending() else select.select([outer, inner], [], [])[0]
        for source in ready:
            piece = source.recv(PIECE)
            if not piece:
                return
            (inner if source is outer else outer).sendall(piece)

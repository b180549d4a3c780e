"""The ways in which an answer reaches the client, or does not."""

import asyncio
import socket
import struct
import time
from email.utils import formatdate

from aiohttp import web

from .answer import Answer

# The C structure ``linger``: switched on, for zero seconds.
LINGER_ZERO = struct.pack("ii", 1, 0)


class _UndatedResponse(web.Response):
    """A response without the header ``Date``, which aiohttp adds to every other one."""

    async def _prepare_headers(self) -> None:
        await super()._prepare_headers()
        self.headers.popall("Date", None)


def build_response(answer: Answer, *, date_ahead: float | None = 0.0) -> web.Response:
    """Build the response that sends a whole answer, dated so many seconds ahead, or not at all."""
    headers = {"Content-Type": answer.content_type, **answer.headers}
    if date_ahead:
        headers["Date"] = formatdate(time.time() + date_ahead, usegmt=True)
    response = _UndatedResponse if date_ahead is None else web.Response
    return response(status=answer.status, body=answer.body, headers=headers)


async def wait_forever() -> None:
    """Wait until cancelled: the client disconnects, or the emulator closes."""
    await asyncio.get_running_loop().create_future()


def drop(request: web.BaseRequest) -> web.Response:
    """Close the connection without an answer."""
    if request.transport is not None:
        request.transport.close()
    # aiohttp requires a response of its handler, and finds nobody to send it to.
    return web.Response()


def reset(request: web.BaseRequest) -> web.Response:
    """Reset the connection, so that the client reads ECONNRESET instead of an orderly end."""
    if request.transport is not None:
        # With a linger time of zero the kernel answers the close with RST instead of FIN.
        connection = request.transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_ZERO)
        request.transport.abort()
    return web.Response()


async def cut_body(request: web.BaseRequest, answer: Answer) -> web.StreamResponse:
    """Send the head and half of the body, then close the connection."""
    # The head announces the full length, so the client can tell a cut body from a short one.
    length = str(len(answer.body))
    headers = {"Content-Type": answer.content_type, "Content-Length": length}
    response = web.StreamResponse(status=answer.status, headers=headers)
    await response.prepare(request)
    await response.write(answer.body[: len(answer.body) // 2])
    # close() sends what is buffered first; abort() would lose the half that was written.
    if request.transport is not None:
        request.transport.close()
    return response

"""The ways an answer reaches the client, or does not."""

import asyncio
import socket
import struct

from aiohttp import web

from .answer import Answer

ZERO_LINGER = struct.pack("ii", 1, 0)


def response(answer: Answer) -> web.Response:
    """Send a whole answer."""
    headers = {"Content-Type": answer.content_type, **answer.headers}
    return web.Response(status=answer.status, body=answer.body, headers=headers)


async def wait_forever() -> None:
    """Wait until cancelled: by the client's disconnection, or by the end of the emulator."""
    await asyncio.get_running_loop().create_future()


def drop(request: web.BaseRequest) -> web.Response:
    """Close the connection; the response is for aiohttp, which finds nobody to send it to."""
    if request.transport is not None:
        request.transport.close()
    return web.Response()


def reset(request: web.BaseRequest) -> web.Response:
    """Reset the connection (RST): a linger time of zero makes the abort one."""
    if request.transport is not None:
        connection = request.transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ZERO_LINGER)
        request.transport.abort()
    return web.Response()


async def cut_body(request: web.BaseRequest, answer: Answer) -> web.StreamResponse:
    """Send the head and half of the body, then close: the half arrives, the rest never does."""
    length = str(len(answer.body))
    headers = {"Content-Type": answer.content_type, "Content-Length": length}
    response = web.StreamResponse(status=answer.status, headers=headers)
    await response.prepare(request)
    await response.write(answer.body[: len(answer.body) // 2])
    if request.transport is not None:
        request.transport.close()
    return response

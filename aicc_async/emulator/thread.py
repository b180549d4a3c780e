"""The tenant in a thread of its own, for callers that have no event loop or want it elsewhere."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .server import Emulator


@contextmanager
def run_in_thread(**options: Any) -> Iterator[Emulator]:
    """Run `Emulator(**options)` in a background thread; its methods work from any thread."""
    tenant = Emulator(**options)
    with _loop_in_thread() as loop:
        asyncio.run_coroutine_threadsafe(tenant.start(), loop).result()
        try:
            yield tenant
        finally:
            asyncio.run_coroutine_threadsafe(tenant.close(), loop).result()


@contextmanager
def _loop_in_thread() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="aicc-emulator", daemon=True)
    thread.start()
    try:
        yield loop
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()

"""The tenant in a thread of its own, for callers that have no event loop or run it elsewhere."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .server import Emulator


@contextmanager
def run_in_thread(**options: Any) -> Iterator[Emulator]:
    """Run ``Emulator(**options)`` in a background thread; its methods work from any thread.

    A test can start, kill and wait for client processes meanwhile, and change the tenant's
    settings, cases and faults. One tenant serves any number of processes, which only need to know
    its ``url`` (and sign in, or use a ``token()``). The package's docstring has an example.

    The thread shares this process's interpreter: while a test computes, the tenant waits.
    """
    tenant = Emulator(**options)
    loop = asyncio.new_event_loop()
    # A daemon, so that a test that is killed by its time limit does not keep the process alive.
    thread = threading.Thread(target=loop.run_forever, name="aicc-emulator", daemon=True)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(tenant.start(), loop).result()
        try:
            yield tenant
        finally:
            asyncio.run_coroutine_threadsafe(tenant.close(), loop).result()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()

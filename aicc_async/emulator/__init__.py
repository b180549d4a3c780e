"""A believable AICC tenant on this machine, in the documents' literal wire shapes.

It imports nothing from the rest of the package, so that a misreading of the documents cannot hide
in code that client and tenant share. Where a document is silent or contradicts itself, the code
says which reading was taken; ``Readings`` and ``Quirks`` switch to others.

On the shell
------------

It runs until it is interrupted, and prints the variables that clients and commands read::

    $ aicc-async emulator --cases 20000 --quota 50
    AICC_BASE_URL=http://127.0.0.1:8080
    AICC_CLIENT_ID=emulated-client
    AICC_CLIENT_SECRET=emulated-secret
    AICC_QFLOW_URL=http://127.0.0.1:8080/API
    AICC_TIMEZONE=Asia/Shanghai
    AICC_DIALECT=missing_codes=405230404

``--demo`` runs one inside ``export``, ``list``, ``get`` and the other commands that only read.

In Python
---------

With faults, a quota and latency; most settings may be changed while it runs::

    import asyncio

    from aicc_async import AICCClient, StaticToken
    from aicc_async.emulator import Emulator, Fault, Latency


    async def main() -> None:
        async with Emulator(cases=300, quota=50, latency=Latency(0.01)) as tenant:
            tenant.fail("list", Fault.HTTP_503, times=2)
            async with AICCClient(tenant.url, auth=StaticToken(tenant.token())) as aicc:
                page = await aicc.list_cases()
                print(page.count, "cases after", aicc.stats.retries, "retries")


    asyncio.run(main())

It prints::

    300 cases after 2 retries

``Fault`` and ``PageFault`` list what can go wrong. ``insert``, ``change``, ``move`` and ``delete``
change cases while they are read, ``on_page`` does so at a certain page.

From other processes
--------------------

``run_in_thread`` runs it beside code that has no event loop, such as a test that starts and kills
workers::

    import os
    import subprocess

    from aicc_async.emulator import run_in_thread

    with run_in_thread(cases=20) as tenant:
        variables = {"AICC_BASE_URL": tenant.url, "AICC_ACCESS_TOKEN": tenant.token()}
        subprocess.run(
            ["aicc-async", "list", "--limit", "3"],
            env=os.environ | variables,
            check=True,
            capture_output=True,
        )
        print([request.operation for request in tenant.requests])

It prints::

    ['list']

In pytest it is a fixture: see ``aicc_async.testing``. It is for tests: it listens on loopback, and
its secrets are none.
"""

from .faults.page_faults import PageFault
from .faults.script import Fault
from .http.routes import Recorded
from .options import Bucket, FixedWindow, Latency, Quirks, Readings
from .server import Emulator
from .thread import run_in_thread

__all__ = [
    "Bucket",
    "Emulator",
    "Fault",
    "FixedWindow",
    "Latency",
    "PageFault",
    "Quirks",
    "Readings",
    "Recorded",
    "run_in_thread",
]

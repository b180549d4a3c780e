"""Creates that happen once: what was sent under which key, and what became of it.

The service has no idempotency key: a create that times out may have happened. Give each create a
key of yours, and the client a journal. The journal holds the key, durably, before the first byte
leaves. So the same key again, also after a crash or from another process, never makes a second
case blindly.

Which journal
-------------

- **One machine**: ``SQLiteJournal("cases.journal")``, a file on a local disk (not on a network
  file system). Any number of processes may share it, each with an object of its own, made after
  ``os.fork()``. Containers mount the folder that it is in, not the file.
- **Several machines**: ``PostgresJournal`` of ``aicc_async.connectors.postgres``, which also joins
  your transaction where it plans a case, or ``RedisJournal`` of ``aicc_async.connectors.redis``.
- **No journal**: without a key nothing is remembered. A create whose answer is lost raises
  ``UnknownOutcome``; with ``on_unknown="reconcile"`` the client looks for the case first.
  ``SQLiteJournal(":memory:")`` takes keys in tests, and forgets them with the process.

Keys
----

A key names what must happen once: the number of an order, the id of a message. It is a printable
text of 1 to 500 characters::

    import asyncio

    from aicc_async import AICCClient, NewCase, SQLiteJournal

    NEW = NewCase(
        title="Parcel lost",
        description="It did not come.",
        type="cvmC0000014Oc9jgT7ZI",
        contact_id="ciIy0000013y7cC8T2rA",
        creator_id="10gg00000148PCjKVDAu",
        extra={"AICC__region__CST": "north"},
    )


    async def main() -> None:
        journal = SQLiteJournal("cases.journal")
        async with AICCClient.from_env(journal=journal, on_unknown="reconcile") as aicc:
            first = await aicc.create_case(NEW, key="order-4711")
            # Nothing is sent: the journal knows the case.
            second = await aicc.create_case(NEW, key="order-4711")
        print(first == second)


    asyncio.run(main())

It prints::

    True

What a key's entry says decides what the next call does:

- ``confirmed``, ``reconciled``: there is a case. Its id is returned without a request.
- ``rejected``: there is none. The create is sent.
- ``sent``, ``unknown``: there may be one (a crash, a time-out). It is looked for in the list before
  anything is sent: by contact, creator, type and title, then description and extension fields, in
  the minutes in which it can have been made. Where the list is long, the service is asked for the
  title first. One that matches is the outcome. With none, after
  ``list_lag`` (180 seconds; a script of the service may take as long), the create is sent again.
  With several, ``UnknownOutcome`` names them in ``candidates``. So it does with one that it can't
  be sure of: an equal one that is dated elsewhere (a clock was set, or ``timezone`` is not the
  tenant's), or one with the description and another title (the service writes titles its own way).

Set ``timezone`` where you use keys: a client that was never told it warns once. Until a case of its
own has shown how the tenant dates cases, it can't tell one of another zone from a stranger's.

``on_unknown="raise"``, the default, raises ``UnknownOutcome`` when an answer is lost, and leaves
the looking to the next call with that key. Another record under the same key is a ``ConfigError``.
``help()`` of ``AICCClient.create_case`` says what looking cannot see.

Many at once
------------

``create_cases`` takes pairs of key and case, and yields what became of each, in their order. Run it
again with the same keys after any end: it makes what is missing::

    import asyncio
    from collections.abc import Iterator

    from aicc_async import AICCClient, NewCase, SQLiteJournal


    def orders() -> Iterator[tuple[str, NewCase]]:
        for number in range(4711, 4716):
            new = NewCase(
                title=f"Parcel of order {number} lost",
                description="It did not come.",
                type="cvmC0000014Oc9jgT7ZI",
                contact_id="ciIy0000013y7cC8T2rA",
                creator_id="10gg00000148PCjKVDAu",
            )
            yield f"order-{number}", new


    async def main() -> None:
        journal = SQLiteJournal("cases.journal")
        async with AICCClient.from_env(journal=journal, on_unknown="reconcile") as aicc:
            async for outcome in aicc.create_cases(orders()):
                if outcome.error:
                    print(outcome.key, outcome.status, outcome.error)


    asyncio.run(main())

``outcome.status`` is ``created``, ``already``, ``rejected`` or ``unknown``. What would meet the
next case too (credentials, limits, transport, the journal) is raised, and ends it.

From a file
-----------

The shell does the same for the lines of a file, JSON or CSV, with the names of the wire or of
Python. All lines are checked before the first is sent. After any end, also a kill, run the same
command again::

    $ cat cases.csv
    ref,title,description,type,contactId,creatorId
    1,Parcel lost,It did not come.,cvmC0000014Oc9jgT7ZI,ciIy0000013y7cC8T2rA,10gg00000148PCjKVDAu
    2,Parcel wet,It came in a bag.,cvmC0000014Oc9jgT7ZI,ciIy0000013y7cC8T2rA,10gg00000148PCjKVDAu
    $ aicc-async create --from cases.csv --key-field ref --dry-run
    cases.csv: 2 cases, no problems
    $ aicc-async create --from cases.csv --key-field ref --results results.jsonl
    results.jsonl: 2 created, 0 already, 0 rejected, 0 unknown
    $ aicc-async create --from cases.csv --key-field ref --results results.jsonl
    results.jsonl: 0 created, 2 already, 0 rejected, 0 unknown
    $ cat results.jsonl
    {"line":2,"key":"1","outcome":"already","caseId":"…"}
    {"line":3,"key":"2","outcome":"already","caseId":"…"}

``aicc-async create --key order-4711`` does it for one case, in JSON on standard input, with the
same journal: it prints ``{"key":"order-4711","outcome":"created","caseId":"…"}``, and ``already``
when the key has a case.

The journal is ``aicc-creates.journal`` in the working directory, unless ``--journal`` or
``AICC_JOURNAL`` names another one. All files share it, so that a copy of the file, or tomorrow's
with some of today's lines, creates no case again: a key names one case, whichever file it is in.
Keys of several sources need a prefix each. Exit code 3 says that some were rejected or are unknown.

For an operator
---------------

Only a person can settle what looking cannot: a case that was changed at once, or two that look the
same. Here the answer to ``order-4712`` was lost, and no case is to be found::

    $ aicc-async journal list --journal orders.journal --state unknown
    {"key":"order-4712",…"state":"unknown",…"note":"TransportError",…}
    $ aicc-async journal show order-4712 --journal orders.journal
    {"key":"order-4712",…"note":"TransportError","candidates":[]}
    $ aicc-async journal resolve order-4712 --not-created --journal orders.journal
    {"key":"order-4712",…"state":"rejected",…}

``--case-id ID`` settles it with a case instead. ``AICC_JOURNAL`` may name the journal, which may
also be a URL of Postgres or Redis; no command shows it.

A worker on a broker
--------------------

A broker delivers each message at least once; its case is created once. This worker reads a Redis
stream with FastStream (``pip install 'faststream[redis]'``)::

    # worker.py
    import asyncio
    import os
    import socket
    from typing import Any

    from faststream import AckPolicy, FastStream
    from faststream.redis import RedisBroker, StreamSub

    from aicc_async import AICCClient, AICCError, NewCase, SQLiteJournal

    # After so long without an answer, a message has lost its worker; above list_lag.
    MAX_IDLE = 300_000  # milliseconds

    broker = RedisBroker(os.environ["REDIS_URL"], graceful_timeout=25)
    consumer = f"{socket.gethostname()}-{os.getpid()}"
    fresh = StreamSub("orders", group="cases", consumer=consumer, max_records=8)
    abandoned = StreamSub(
        "orders", group="cases", consumer=consumer, max_records=8, min_idle_time=MAX_IDLE
    )


    async def main() -> None:
        journal = SQLiteJournal("cases.journal")
        async with AICCClient.from_env(journal=journal, on_unknown="reconcile") as aicc:
            # After an error the message is not acknowledged: it comes again. What can be no
            # case would come for ever: it goes to a stream that a person looks at.
            @broker.subscriber(
                stream=fresh, max_workers=8, ack_policy=AckPolicy.NACK_ON_ERROR
            )
            @broker.subscriber(
                stream=abandoned, max_workers=8, ack_policy=AckPolicy.NACK_ON_ERROR
            )
            async def create(order: dict[str, Any]) -> None:
                try:
                    new = NewCase(**order["case"])
                    case_id = await aicc.create_case(new, key=f"order-{order['number']}")
                except (AICCError, LookupError, TypeError) as error:
                    if isinstance(error, AICCError) and error.retryable:
                        raise
                    await broker.publish(order, stream="orders-dead")
                else:
                    print(case_id, flush=True)

            await FastStream(broker).run()


    asyncio.run(main())

Make the group once, run ``python worker.py`` as often as you like, and send orders. Each makes one
worker print the id of a case::

    $ redis-cli XGROUP CREATE orders cases 0 MKSTREAM
    OK
    $ cat order.json
    {"number": "4711", "case": {"title": "Parcel lost", "description": "It did not come.",
     "type": "cvmC0000014Oc9jgT7ZI", "contact_id": "ciIy0000013y7cC8T2rA",
     "creator_id": "10gg00000148PCjKVDAu"}}
    $ redis-cli -x XADD orders '*' data < order.json
    …

SIGTERM lets a worker finish the orders that it is creating; others that it has, and those of a
killed one, go to another worker. An order that breaks a bound, or that the service refuses, is
moved to ``orders-dead``. ``aicc-async journal list --journal cases.journal`` shows what became of
each.

A durable engine
----------------

DBOS and Temporal run a step at least once: one that died after the create, and before its result
was noted, runs again. With a key it creates one case. The key must come from what the workflow is
about, never from the attempt. This one is for DBOS (``pip install dbos``), with its tables and the
journal in one Postgres::

    # dbos_orders.py
    import asyncio
    import os

    from dbos import DBOS, SetWorkflowID

    from aicc_async import AICCClient, AICCError, NewCase
    from aicc_async.connectors.postgres import PostgresJournal

    URL = os.environ["DATABASE_URL"]
    DBOS(config={"name": "orders", "system_database_url": URL})
    journal = PostgresJournal(URL)
    aicc = AICCClient.from_env(journal=journal, on_unknown="reconcile")


    def is_retryable(error: BaseException) -> bool:
        return isinstance(error, AICCError) and error.retryable


    @DBOS.step(retries_allowed=True, max_attempts=10, should_retry=is_retryable)
    async def create(number: str, title: str) -> str:
        new = NewCase(
            title=title,
            description="It did not come.",
            type="cvmC0000014Oc9jgT7ZI",
            contact_id="ciIy0000013y7cC8T2rA",
            creator_id="10gg00000148PCjKVDAu",
        )
        return await aicc.create_case(new, key=f"order-{number}")


    @DBOS.workflow()
    async def handle_order(number: str, title: str) -> str:
        return await create(number, title)


    async def main() -> None:
        # Within the event loop: a workflow that is recovered runs in the same one.
        DBOS.launch()
        try:
            async with aicc:
                with SetWorkflowID("order-4711"):
                    print(await handle_order("4711", "Parcel lost"))
        finally:
            DBOS.destroy()


    asyncio.run(main())

And this one is a worker for Temporal (``pip install temporalio``). An activity may take longer than
``list_lag``, since it may have to look for a case of the attempt before it::

    # temporal_orders.py
    import asyncio
    import os
    from datetime import timedelta

    from temporalio import activity, workflow
    from temporalio.client import Client
    from temporalio.exceptions import ApplicationError
    from temporalio.worker import Worker

    with workflow.unsafe.imports_passed_through():
        from aicc_async import AICCClient, AICCError, NewCase
        from aicc_async.connectors.postgres import PostgresJournal


    class Cases:
        def __init__(self, aicc: AICCClient) -> None:
            self._aicc = aicc

        @activity.defn
        async def create(self, number: str, title: str) -> str:
            new = NewCase(
                title=title,
                description="It did not come.",
                type="cvmC0000014Oc9jgT7ZI",
                contact_id="ciIy0000013y7cC8T2rA",
                creator_id="10gg00000148PCjKVDAu",
            )
            try:
                return await self._aicc.create_case(new, key=f"order-{number}")
            except AICCError as error:
                # The history keeps it for long: the service's own words may name people.
                reason, is_final = type(error).__name__, not error.retryable
                raise ApplicationError(reason, non_retryable=is_final) from None


    @workflow.defn
    class HandleOrder:
        @workflow.run
        async def run(self, number: str, title: str) -> str:
            return await workflow.execute_activity_method(
                Cases.create,
                args=[number, title],
                start_to_close_timeout=timedelta(minutes=10),
            )


    async def main() -> None:
        client = await Client.connect(os.environ["TEMPORAL_ADDRESS"])
        journal = PostgresJournal(os.environ["DATABASE_URL"])
        async with AICCClient.from_env(journal=journal, on_unknown="reconcile") as aicc:
            create = Cases(aicc).create
            worker = Worker(
                client, task_queue="orders", workflows=[HandleOrder], activities=[create]
            )
            await worker.run()


    if __name__ == "__main__":
        asyncio.run(main())

Pruning
-------

A journal keeps each key until it is pruned. A message that comes after that makes a second case:
keep keys longer than any message may be late. What is in doubt stays, and so does what looks like
it::

    import asyncio
    from datetime import timedelta

    from aicc_async import SQLiteJournal


    async def main() -> None:
        async with SQLiteJournal("cases.journal") as journal:
            print(await journal.prune(older_than=timedelta(days=90)), "removed")


    asyncio.run(main())

On the shell::

    $ aicc-async journal prune --older-than 90d --journal orders.journal
    0 removed
"""

from __future__ import annotations

from .entry import STATES, Entry, Finding, Journal
from .sqlite import SQLiteJournal

__all__ = ["STATES", "Entry", "Finding", "Journal", "SQLiteJournal"]

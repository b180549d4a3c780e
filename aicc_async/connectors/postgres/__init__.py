'''A journal, and a watch, in Postgres, for replicas on several machines (extra ``postgres``).

Install with ``pip install 'aicc-async[postgres]'``. A journal replaces ``SQLiteJournal`` (see
``aicc_async.journal``); everything else stays the same::

    import asyncio
    import os

    from aicc_async import AICCClient, NewCase
    from aicc_async.connectors.postgres import PostgresJournal

    NEW = NewCase(
        title="Parcel lost",
        description="It did not come.",
        type="cvmC0000014Oc9jgT7ZI",
        contact_id="ciIy0000013y7cC8T2rA",
        creator_id="10gg00000148PCjKVDAu",
    )


    async def main() -> None:
        journal = PostgresJournal(os.environ["DATABASE_URL"])
        async with AICCClient.from_env(journal=journal, on_unknown="reconcile") as aicc:
            print(await aicc.create_case(NEW, key="order-4711"))


    asyncio.run(main())

It is the table ``aicc_journal``, created when it is first used, in the first schema of the
connection's search_path: ``?options=-csearch_path%3Dours`` at the end of the URL chooses another
one, but not through pgbouncer. The role needs SELECT, INSERT, UPDATE and DELETE on it, and CREATE
on the schema for the first time. Commands take the same URL, as ``AICC_JOURNAL`` or ``--journal``.
``help()`` of ``PostgresJournal`` says what a lease is, what Postgres must keep, and which event
loop Windows needs.

An outbox
---------

Take it where an order is a row of the same database. ``plan`` notes, in your own transaction, that
a case is to be created; ``due`` returns what was planned and has none yet::

    import asyncio
    import os

    from psycopg import AsyncConnection

    from aicc_async import AICCClient, AICCError, NewCase
    from aicc_async.connectors.postgres import PostgresJournal

    URL = os.environ["DATABASE_URL"]
    ORDERS = "CREATE TABLE orders (key text PRIMARY KEY, title text NOT NULL, case_id text)"


    async def take_order(journal: PostgresJournal, key: str, title: str) -> None:
        """Take an order: it and its key are committed together, or neither is."""
        async with await AsyncConnection.connect(URL) as connection:
            order = "INSERT INTO orders (key, title) VALUES (%s, %s)"
            await connection.execute(order, (key, title))
            await journal.plan(connection, key)


    async def create_due(journal: PostgresJournal, aicc: AICCClient) -> None:
        """Create what is due; any number of workers may do so at once, again and again."""
        async with await AsyncConnection.connect(URL, autocommit=True) as connection:
            for key in await journal.due():
                order = "SELECT title FROM orders WHERE key = %s"
                [[title]] = await (await connection.execute(order, (key,))).fetchall()
                new = NewCase(
                    title=title,
                    description="It did not come.",
                    type="cvmC0000014Oc9jgT7ZI",
                    contact_id="ciIy0000013y7cC8T2rA",
                    creator_id="10gg00000148PCjKVDAu",
                )
                try:
                    case_id = await aicc.create_case(new, key=key)
                except AICCError as error:
                    # In doubt it stays due. What never left is planned again; a person
                    # looks at what the service refuses.
                    if error.retryable:
                        async with connection.transaction():
                            await journal.plan(connection, key)
                    continue
                note = "UPDATE orders SET case_id = %s WHERE key = %s"
                await connection.execute(note, (case_id, key))
                print(key, case_id)


    async def main() -> None:
        journal = PostgresJournal(URL)
        async with AICCClient.from_env(journal=journal, on_unknown="reconcile") as aicc:
            async with await AsyncConnection.connect(URL) as connection:
                await connection.execute(ORDERS)
            await take_order(journal, "order-4711", "Parcel lost")
            await take_order(journal, "order-4712", "Parcel wet")
            await create_due(journal, aicc)
            print(await journal.due())


    asyncio.run(main())

It prints::

    order-4711 …
    order-4712 …
    []

What it guarantees: a planned key is there if, and only if, its order is committed. It stays due
until its case is known or the service has refused it: over crashes of workers, of Postgres, and a
lost answer. Each has one case. A process that dies after the create, and before its ``UPDATE``,
leaves an order without ``case_id`` whose key is settled: ``create_case`` with that key returns the
id without a request, and so does a join with ``aicc_journal`` on ``key``.

Why not the whole create in your transaction? A key must be durable *before* its request leaves, and
your transaction is not: were it rolled back, nobody would know of the case. So the journal's other
steps have transactions of their own, and creating while your transaction is open is harmless; only
the keys that it has planned must be committed before.

From another driver, an ORM or a trigger one statement is the same as ``plan``, once the table is
there: ``INSERT INTO aicc_journal (key) VALUES ('order-4711') ON CONFLICT DO NOTHING``. You may read
``key``, ``state``, ``case_id``, ``note`` and ``planned_at``; nothing else of the table is promised.

Changes of cases, into an outbox
--------------------------------

Take it where events of cases (see ``aicc_async.watch``) must be rows of your database, each once.
``PostgresWatchState`` keeps what a watch knows in the same database, for as many replicas as you
run: one leads, and within five seconds after it has died another one goes on.
``ack(within=connection)`` acknowledges in your own transaction::

    # case_outbox.py
    import asyncio
    import os

    from psycopg import AsyncConnection

    from aicc_async import AICCClient, to_json
    from aicc_async.connectors.postgres import PostgresWatchState

    URL = os.environ["DATABASE_URL"]
    OUTBOX = """
        CREATE TABLE IF NOT EXISTS case_events (
            number bigint GENERATED ALWAYS AS IDENTITY, id text UNIQUE, event json
        )
    """
    INSERT = "INSERT INTO case_events (id, event) VALUES (%s, %s)"


    async def main() -> None:
        state = PostgresWatchState(URL)
        async with (
            AICCClient.from_env() as aicc,
            await AsyncConnection.connect(URL, autocommit=True) as connection,
            aicc.watch_cases(state=state) as watch,
        ):
            await connection.execute(OUTBOX)
            async for event in watch:
                async with connection.transaction():
                    text = to_json(event).decode()
                    await connection.execute(INSERT, (event.id, text))
                    await event.ack(within=connection)


    asyncio.run(main())

An event is acknowledged if, and only if, its row is committed: it is there once, though the process
is killed, Postgres crashes, or the answer to a commit is lost. Let an error end the loop, as it
does here, and start the program again: the loop acknowledges what its body leaves without one. A
replica that lost its turn has a ``WatchError`` before its transaction commits. Give a transaction
no more than what belongs to the event: while it is open no other replica can take over.

A worker that creates cases
---------------------------

A worker that answers an event with a case of its own must not answer that one as well. It knows its
cases by its journal::

    # follow_ups.py
    import asyncio
    import os

    from aicc_async import AICCClient, NewCase
    from aicc_async.connectors.postgres import PostgresJournal, PostgresWatchState

    URL = os.environ["DATABASE_URL"]


    async def main() -> None:
        journal, state = PostgresJournal(URL), PostgresWatchState(URL)
        async with (
            AICCClient.from_env(journal=journal, on_unknown="reconcile") as aicc,
            aicc.watch_cases(state=state) as watch,
        ):
            async for event in watch:
                if event.kind != "created" or not await journal.untaken([event.case_id]):
                    continue
                new = NewCase(
                    title=f"Call back about {event.case_id}",
                    description="A case was created.",
                    type="cvmC0000014Oc9jgT7ZI",
                    contact_id="ciIy0000013y7cC8T2rA",
                    creator_id="10gg00000148PCjKVDAu",
                )
                print(await aicc.create_case(new, key=event.id), flush=True)


    asyncio.run(main())

Each case of somebody else's has one follow-up, and no follow-up has any, over kills at any moment.
It holds because an event is handled wholly before the next one is asked for: a case of the worker's
own is told after the event that it answers, and that one, until it is acknowledged, comes first
again, with the same key. ``create_case`` finds then what was made, and notes it in the journal. So
do not handle events side by side, do not let an error pass, and keep what the journal has
(``prune``) for longer than the look-back. Where only the worker creates cases with its
``creator_id``, ``event.case.creator_id`` says the same without a journal. A set of ids in memory
does not: a process that dies after a create forgets it.
'''

from .journal import PostgresJournal
from .watch import PostgresWatchState

__all__ = ["PostgresJournal", "PostgresWatchState"]

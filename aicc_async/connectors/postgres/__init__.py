'''A journal in Postgres, for replicas on several machines (extra ``postgres``).

Install with ``pip install 'aicc-async[postgres]'``. It replaces ``SQLiteJournal`` (see
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
'''

from .journal import PostgresJournal
from .watch import PostgresWatchState

__all__ = ["PostgresJournal", "PostgresWatchState"]

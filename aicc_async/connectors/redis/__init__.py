"""What processes share in a Redis: a budget, a token, a journal, a watch (extra ``redis``).

One machine needs none: tasks share the client's rate limit, processes share an ``SQLiteJournal``,
and one process watches. Install with ``pip install 'aicc-async[redis]'``.

Where the Redis is
------------------

All take the same first argument. As a URL it is one of

- ``redis://[user:password@]host:port/database``, with TLS ``rediss://``, on this machine
  ``unix:///path``;
- ``redis+cluster://host:port``, any node of a cluster (``rediss+cluster://``);
- ``redis+sentinel://[user:password@]host:port,host:port/service``, a service that Sentinels watch
  (``rediss+sentinel://``). ``?sentinel_password=…`` and ``sentinel_username`` are for the Sentinels
  themselves.

``valkey`` and ``valkeys`` are read as ``redis`` and ``rediss``. Options of redis-py follow a ``?``,
as ``ssl_ca_certs=ca.pem`` for an authority of your own. The commands and Spark take such a URL too.

Else it is a function that returns a new client, called for each connection, in its event loop::

    from redis.asyncio import RedisCluster

    from aicc_async.connectors.redis import RedisTokens


    def connect() -> RedisCluster:
        return RedisCluster(host="10.0.0.7", ssl=True, ssl_ca_certs="ca.pem")


    print(RedisTokens(connect))

It prints::

    RedisTokens()

Or it is a client of yours (``redis.asyncio.Redis``, ``RedisCluster``, that of
``Sentinel.master_for``), used in its own event loop and never closed here.

A wrong password, a missing right, an authority that is not known, a plain URL of a cluster's node:
what no waiting ends raises ``ConfigError`` at the first call. Once Redis has answered, any failure
is an outage.

A budget
--------

Take it when several processes share a tenant's quota. All that pass the same URL and limit, for the
same domain, send at most so many requests together, in any second::

    # budget.py
    import asyncio
    import os

    from aicc_async import AICCClient, RateLimit
    from aicc_async.connectors.redis import RedisBudget


    async def main() -> None:
        budget = RedisBudget(os.environ["REDIS_URL"], fallback_processes=4)
        limit = RateLimit(50, shared=budget, priority="worker")
        async with AICCClient.from_env(rate_limit=limit) as aicc:
            page = await aicc.list_cases(limit=1)
        print(page.count)


    asyncio.run(main())

``priority`` is ``interactive``, ``worker`` or ``bulk``; bulk leaves a tenth of the limit to the
others, and all but a fifth where they use that. ``with request_priority("interactive"):`` sets it
for single calls. HTTP 429 pauses all processes. While Redis is away, each process takes its share:
the limit divided by ``fallback_processes``. Redis need not be durable for that.

Commands share a budget too: they take ``AICC_REDIS_URL``, with ``AICC_RATE_LIMIT`` or ``--rate``.
The name of a budget is the domain, unless ``name=``, or ``AICC_BUDGET`` for commands and Spark,
says otherwise.

A token
-------

Take it when a second sign-in of your app makes the service refuse the token of the first one: some
tenants keep one token per app. One process signs in, the others take its token; one that is refused
is renewed by one of them::

    import asyncio
    import os

    from aicc_async import AICCClient, ClientCredentials
    from aicc_async.connectors.redis import RedisTokens


    async def main() -> None:
        auth = ClientCredentials.from_key_file(
            "key.csv", shared=RedisTokens(os.environ["REDIS_URL"])
        )
        async with AICCClient(os.environ["AICC_BASE_URL"], auth=auth) as aicc:
            print((await aicc.list_cases(limit=1)).count)


    asyncio.run(main())

Commands and Spark's tasks share one with ``AICC_TOKEN_REDIS_URL``. The token is in Redis as it is:
whoever may read there may act as your app until it ends.

A journal
---------

Take it when replicas on several machines create cases (see ``aicc_async.journal``). It replaces
``SQLiteJournal``; everything else stays the same::

    import asyncio
    import os

    from aicc_async import AICCClient, NewCase
    from aicc_async.connectors.redis import RedisJournal

    NEW = NewCase(
        title="Parcel lost",
        description="It did not come.",
        type="cvmC0000014Oc9jgT7ZI",
        contact_id="ciIy0000013y7cC8T2rA",
        creator_id="10gg00000148PCjKVDAu",
    )


    async def main() -> None:
        journal = RedisJournal(os.environ["REDIS_URL"])
        async with AICCClient.from_env(journal=journal, on_unknown="reconcile") as aicc:
            print(await aicc.create_case(NEW, key="order-4711"))


    asyncio.run(main())

What the journal promises, Redis must keep: run it with ``appendonly yes``, ``appendfsync always``
and ``maxmemory-policy noeviction``. One without ``appendonly``, or that evicts keys, is refused
before a key is claimed; ``appendfsync`` can't be seen everywhere, and is up to you. Where
``appendonly`` is switched on while Redis runs, a crash loses all until its file was written for the
first time (``aof_rewrite_in_progress:0``). ``help()`` of ``RedisJournal`` says what a lease is, and
what remains when a replica takes over.

A watch, into a broker
----------------------

Take it when changes of cases must come out although a machine dies (see ``aicc_async.watch``). All
replicas that pass the same Redis watch as one: one leads, the others wait, and within five seconds
after it has died another one goes on. This one publishes to a Redis stream with FastStream
(``pip install 'faststream[redis]'``); another broker of FastStream's is the same, with its URL and
``topic`` or ``queue`` for ``stream``::

    # case_events.py
    import asyncio
    import os

    from faststream.redis import RedisBroker

    from aicc_async import AICCClient, WatchError, to_dict
    from aicc_async.connectors.redis import RedisWatchState

    URL = os.environ["REDIS_URL"]


    async def publish(aicc: AICCClient, broker: RedisBroker) -> None:
        state = RedisWatchState(URL)
        async with aicc.watch_cases(state=state) as watch:
            async for event in watch:
                # It is acknowledged when the next one is asked for: the broker has it then.
                await broker.publish(to_dict(event), stream="case-events")


    async def main() -> None:
        async with AICCClient.from_env() as aicc, RedisBroker(URL) as broker:
            while True:
                try:
                    await publish(aicc, broker)
                except WatchError as error:
                    # Another replica leads by now, or Redis is away. Wait for a turn.
                    print(error, flush=True)
                    await asyncio.sleep(1)


    asyncio.run(main())

Run it as often as you like. Each event is published at least once, and those of one case in order.
When a leader dies, or is stopped for longer than its lease of three seconds, at most the event that
it was publishing comes twice: consumers know it by its ``id``. What the state promises, Redis must
keep, as for a journal.
"""

from .budget import RedisBudget
from .journal import RedisJournal
from .tokens import RedisTokens
from .watch import RedisWatchState

__all__ = ["RedisBudget", "RedisJournal", "RedisTokens", "RedisWatchState"]

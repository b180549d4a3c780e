"""What processes share in a Redis: a budget, a token, and a journal (extra ``redis``).

One machine needs neither: tasks share the client's rate limit, and processes share an
``SQLiteJournal``. Install with ``pip install 'aicc-async[redis]'``.

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
and ``maxmemory-policy noeviction``. A Redis Cluster is not supported. ``help()`` of
``RedisJournal`` says what a lease is, and what remains when a replica takes over.
"""

from .budget import RedisBudget
from .journal import RedisJournal
from .tokens import RedisTokens

__all__ = ["RedisBudget", "RedisJournal", "RedisTokens"]

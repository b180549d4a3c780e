"""Settings, checked once: how fast, how often, how long, where to, in which zone.

All of them together; a value out of bounds is a ``ConfigError`` before anything is sent::

    import asyncio

    from aicc_async import AICCClient, Dialect, RateLimit, RetryPolicy, Timeouts


    async def main() -> None:
        async with AICCClient.from_env(
            # In any second, not on average; strict: however late a request arrives.
            rate_limit=RateLimit(10, strict=True),
            retry=RetryPolicy(attempts=3, deadline=60),
            timeouts=Timeouts(connect=5, read=30),
            max_concurrency=4,
            timezone="Europe/Berlin",
            dialect=Dialect(task_detail="POST"),
        ) as aicc:
            page = await aicc.list_cases(limit=1)
            print(page.count, "cases, with times of", aicc.timezone)


    asyncio.run(main())

It prints::

    12000 cases, with times of Europe/Berlin

``AICC_RATE_LIMIT`` takes ``10``, or ``600/60`` for 600 in any 60 seconds; ``AICC_DIALECT`` takes
``task_detail=POST swap_statistics=true throttle_statuses=503 missing_codes=4041,4042``;
``AICC_TIMEZONE`` takes the zone. Arguments go before variables.

Where the quota is not known, an adaptive limit finds it: up while it is used, down when the service
refuses with HTTP 429::

    import asyncio

    from aicc_async import AICCClient, RateLimit


    async def main() -> None:
        limit = RateLimit.adaptive(start=5, ceiling=50)
        async with AICCClient.from_env(rate_limit=limit) as aicc:
            page = await aicc.list_cases(limit=1)
        print(page.count, "cases,", aicc.stats.throttled, "refusals")


    asyncio.run(main())

It prints::

    12000 cases, 0 refusals

A probe finds it too (``aicc_async.probe``). For one limit of several processes see
``aicc_async.connectors.redis``.

In a company's network a client needs a proxy, the company's authorities, a certificate of its own,
or headers that a gateway wants::

    import asyncio

    from aicc_async import AICCClient, NetworkSettings


    async def main() -> None:
        network = NetworkSettings(
            # Without one, trust_env takes HTTPS_PROXY, unless NO_PROXY names the host.
            trust_env=True,
            # ca_file="company.pem", client_cert="me.pem", client_key="me.key": all in PEM.
            headers={"X-Stage": "RELEASE", "X-Gateway-Key": "secret"},
        )
        async with AICCClient.from_env(network=network) as aicc:
            print((await aicc.list_cases(limit=1)).count, "cases")
        print("secret" in repr(network))


    asyncio.run(main())

It prints::

    12000 cases
    False

``from_env`` reads ``AICC_PROXY``, else ``HTTPS_PROXY``, ``HTTP_PROXY`` and ``NO_PROXY``; and
``AICC_CA_FILE``, ``AICC_CLIENT_CERT``, ``AICC_CLIENT_KEY``, ``AICC_HEADERS``; an argument
``network`` replaces all of these. What a proxy refuses, or what fails in a TLS handshake, was not
sent: it is a ``TransportError`` with ``sent=False``, also for a create.

A call may wait for a place among ``max_concurrency``, for the rate limit and for the sign-in before
it is sent; no policy bounds that. ``deadline`` bounds all of it, for the calls of a block together,
and needs no other retries: what is sent again is sent within it::

    import asyncio

    from aicc_async import AICCClient, RateLimit, RequestTimeout, deadline


    async def main() -> None:
        async with AICCClient.from_env(rate_limit=RateLimit(2, per=60)) as aicc:
            with deadline(5):
                # The sign-in is the first of the two requests.
                page = await aicc.list_cases(limit=1)
                print(page.count, "cases")
                try:
                    await aicc.get_case(page.cases[0].id)
                except RequestTimeout as error:
                    print("sent:", error.sent, "- try again in", error.retry_after)


    asyncio.run(main())

It prints::

    12000 cases
    sent: False - try again in …

The times on the wire have no zone: ``timezone`` must be the tenant's, ``Asia/Shanghai`` unless set.
"""

from __future__ import annotations

from .endpoint import Dialect, RateLimit, RetryPolicy, Timeouts
from .network import NetworkSettings

__all__ = ["Dialect", "NetworkSettings", "RateLimit", "RetryPolicy", "Timeouts"]

"""Ask a tenant what the documents leave open: it only reads, in few requests, and makes no guesses.

Are the bounds of a range inclusive? Which date do they filter? How deep may offsets go? A probe
finds out, in at most 40 requests, and writes nothing to the tenant::

    $ aicc-async probe -o profile.toml
    …
    │ startTime is inclusive      │ yes …
    │ The date that a range is of │ createdDate …
    …
    profile.toml
    $ aicc-async export cases.jsonl --profile profile.toml --since 2025-12-01 --until 2025-12-31
    cases.jsonl: 1,076 cases in …

One request asks the gateway for its quotas (``X-Apig-Mode: debug``). Where it tells none,
``--find-rate`` asks faster and faster, from 1 to 50 requests a second, until the first HTTP 429:
up to 250 requests more. ``--platform`` asks once whether the platform below AICC counts cases for
this account on a route of its own, ``u-route/baas/data``; nothing uses that yet. In Python::

    import asyncio

    from aicc_async import AICCClient
    from aicc_async.probe import probe


    async def main() -> None:
        async with AICCClient.from_env() as aicc:
            profile = await probe(aicc)
        profile.save("profile.toml")
        print(profile.date_field, profile.order, profile.page_size)


    asyncio.run(main())

It prints::

    createdDate newest_first 100

What could not be found out is None: of an empty tenant nearly all. What each answer means, and what
a client does with it, is said by ``aicc_async.settings.profile``.
"""

from __future__ import annotations

from .run import probe

__all__ = ["probe"]

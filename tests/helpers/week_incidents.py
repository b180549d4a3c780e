"""What goes wrong with a service for a while: faults and quirks of the emulator, drawn anew."""

from __future__ import annotations

import random
from collections.abc import Callable

from aicc_async.emulator import Emulator, Fault, PageFault, Quirks

# Far more pages than are read in an hour.
WRONG_PAGES = 200

Begin = Callable[[Emulator, random.Random], None]


def outage(tenant: Emulator, draw: random.Random) -> None:
    """Refuse everything."""
    tenant.fail("*", draw.choice([Fault.HTTP_503, Fault.HTTP_504, Fault.DROP_BEFORE]), share=1.0)


def garbage(tenant: Emulator, _: random.Random) -> None:
    """Answer with what is no JSON, or half of it."""
    tenant.fail("*", Fault.HTML_200, share=0.3)
    tenant.fail("*", Fault.NOT_JSON, share=0.2)
    tenant.fail("*", Fault.CUT_BODY, share=0.2)


def flaky(tenant: Emulator, _: random.Random) -> None:
    """Refuse every third request, and drop some."""
    tenant.fail("*", Fault.HTTP_500, share=0.3)
    tenant.fail("*", Fault.DROP_AFTER, share=0.2)


def hang(tenant: Emulator, draw: random.Random) -> None:
    """Never answer a few requests."""
    tenant.fail("*", Fault.HANG, times=draw.randint(1, 4))


def storm(tenant: Emulator, draw: random.Random) -> None:
    """Refuse for haste."""
    tenant.fail("*", Fault.THROTTLED, share=draw.choice([0.5, 1.0]))


def no_details(tenant: Emulator, _: random.Random) -> None:
    """Answer lists, but no details."""
    tenant.fail("get", Fault.HTTP_500, share=1.0)


def capped(tenant: Emulator, draw: random.Random) -> None:
    """Show a part of the cases, and count no more."""
    tenant.quirks = Quirks(max_count=draw.randint(1, max(tenant.count() // 2, 2)))


def miscounted(tenant: Emulator, draw: random.Random) -> None:
    """Count some too many, or too few."""
    tenant.quirks = Quirks(count_offset=draw.choice([-3, -1, 1, 3]))


def shuffled(tenant: Emulator, _: random.Random) -> None:
    """Have another order at each request."""
    tenant.quirks = Quirks(order="shuffled")


def wrong_pages(tenant: Emulator, draw: random.Random) -> None:
    """Answer every third page or so with the rows of another one, or with none."""
    for _ in range(WRONG_PAGES):
        tenant.fail_page(draw.choice(list(PageFault)), skip=draw.randint(0, 4))


SERVICE_INCIDENTS: dict[str, Begin] = {
    "outage": outage,
    "garbage": garbage,
    "flaky": flaky,
    "hang": hang,
    "storm": storm,
    "no_details": no_details,
    "capped": capped,
    "miscounted": miscounted,
    "shuffled": shuffled,
    "wrong_pages": wrong_pages,
}

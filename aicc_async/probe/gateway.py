"""What the gateway says of itself when it is asked: the quotas that it keeps."""

from __future__ import annotations

from collections.abc import Mapping

from .._protocol.refusals import parse_quota
from .asking import Asker
from .survey import Survey

# One for the API, the user, the app, the address: the lowest is met first.
QUOTA_HEADER = "x-apig-ratelimit-"


async def find_quota(survey: Survey, asker: Asker) -> None:
    """Ask the gateway for its quotas; without a gateway that answers nothing is concluded."""
    quota = lowest_quota(await asker.debug_headers(survey.whole))
    if quota:
        survey.answers["quota"] = f"{quota[0]}/{quota[1]:g}"


def lowest_quota(headers: Mapping[str, str]) -> tuple[int, float] | None:
    """Return the quota that is met first: so many requests in so many seconds."""
    texts = [text for name, text in headers.items() if name.lower().startswith(QUOTA_HEADER)]
    quotas = [quota for text in texts if (quota := parse_quota(text)) and all(quota)]
    return min(quotas, key=lambda quota: quota[0] / quota[1], default=None)

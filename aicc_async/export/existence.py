"""Whether cases exist: by their details, of which only a plain "no such case" counts.

The idea: a case is gone when its detail is answered with "no such case": HTTP 404, or one of the
codes that the profile or the dialect knows for that. The gateway's own 404 says that an operation
is not there, not a case.

The invariant: where the detail of a control, a case that was just read, is refused too, before or
after the others, nothing is refused for being gone.

What it cannot see: a right that was taken from the account, where it hides cases from list and
detail alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import aclosing
from typing import Literal

from attrs import frozen

from .._api import CaseApi
from .._listing.ordered_map import ordered_map
from ..errors import ApiError, DecodeError, NotFoundError, TransportError

# The gateway's codes, such as APIG.0101: the API does not exist.
GATEWAY_CODES = "APIG"
PROBE_ADVICE = (
    "the service refuses their details with a code that is not known to mean that a case does not"
    " exist. Run aicc-async probe, and use its profile"
)
CONTROL_REFUSED = "the detail of a case that is there is refused too"
Existence = Literal["gone", "there", "unknown", "failed"]


@frozen
class Findings:
    """What the details of cases say, by id; ``is_trusted``: the control was there throughout."""

    by_id: dict[str, Existence]
    is_trusted: bool

    def having(self, existence: Existence) -> list[str]:
        """Return the ids of which that was found."""
        return [case_id for case_id, found in self.by_id.items() if found == existence]


async def find_existence(api: CaseApi, ids: Sequence[str], *, control: str) -> Findings:
    """Ask for cases, and for the control before them, and after them where some are gone."""
    found = Findings({}, is_trusted=False)
    if await ask_for_case(api, control) != "there":
        return found
    answers = ordered_map(ids, lambda each: ask_for_case(api, each), concurrency=api.concurrency)
    async with aclosing(answers):
        async for answer in answers:
            # Answers come in the order of the ids.
            found.by_id[ids[len(found.by_id)]] = answer
    is_trusted = not found.having("gone") or await ask_for_case(api, control) == "there"
    return Findings(found.by_id, is_trusted=is_trusted)


async def ask_for_case(api: CaseApi, case_id: str) -> Existence:
    """Ask for a case's detail, and return what the answer means."""
    try:
        parts = await api.raw_detail(case_id)
    except NotFoundError as error:
        return "failed" if (error.code or "").startswith(GATEWAY_CODES) else "gone"
    except (ApiError, TransportError, DecodeError) as error:
        # As a refused id is refused, where nobody knows the code.
        is_refusal = type(error) is ApiError and error.status == 200  # noqa: PLR2004
        return "unknown" if is_refusal else "failed"
    return "there" if parts else "failed"

"""With which code the service refuses a case that does not exist."""

from __future__ import annotations

from .asking import Asker
from .survey import Survey

# As long as the documents' ids are, so that its length is no reason; theirs begin with letters.
IMPOSSIBLE_ID = "0" * 20


async def find_missing_code(survey: Survey, asker: Asker) -> None:
    """Ask for a case that cannot exist.

    A code that refuses pages too means something else, such as a wrong parameter, and one of the
    gateway means that the operation is not there.
    """
    refusal = await asker.refuse_detail(IMPOSSIBLE_ID)
    code = refusal.code if refusal else None
    if code and code not in survey.refusals and not code.startswith("APIG"):
        survey.conclude("missing_codes", (code,))

"""What every peer is asked for. It imports nothing: each peer has an environment of its own."""

import json
import sys
from typing import NamedTuple

PATH = "/service/AICC__Case/1.0.0/openapi/case/list"
LIMIT = 100


class Job(NamedTuple):
    """All rows of the windows, as JSON lines into the file ``target`` or a folder of that name.

    A window is a first and a last second, both included, as on the wire; none is longer than 31
    days, and no second is in two of them.
    """

    url: str
    token: str
    windows: list[tuple[str, str]]
    target: str

    @property
    def headers(self) -> dict[str, str]:
        """Return the headers of every request."""
        return {"access-token": self.token, "Content-Type": "application/json"}


def read_job() -> Job:
    """Return the job that the only argument of this process is."""
    return Job(**json.loads(sys.argv[1]))


def page_body(window: tuple[str, str], start: int) -> dict[str, object]:
    """Return the body that asks for a page."""
    return {"startTime": window[0], "endTime": window[1], "start": start, "limit": LIMIT}

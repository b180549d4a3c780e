"""How a command ended that was run as the shell does: see the fixture ``call``."""

from __future__ import annotations

import io
import json
import subprocess
from collections.abc import Callable
from typing import Any

from attrs import frozen


class Stdin(io.BytesIO):
    """Standard input's bytes; a command names it in messages."""

    name = "<stdin>"


@frozen
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def rows(self) -> list[dict[str, Any]]:
        """Read standard output as JSON lines."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def problems(self) -> list[str]:
        """Return the problems of a file, without its name; the last line counts them."""
        return [line.partition(": ")[2] for line in self.err.splitlines()[:-1]]


Call = Callable[..., Ended]
Start = Callable[..., "subprocess.Popen[str]"]

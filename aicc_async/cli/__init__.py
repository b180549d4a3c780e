"""The command line: a thin layer over the library, and the only part that prints.

``help`` lists the commands and loads one when it is used. A file of ``commands`` imports what its
options need; what it takes to run is imported by the command itself.
"""

from __future__ import annotations

import io
import sys

__all__ = ["main"]


def main() -> None:
    """Run the command line and exit with its code."""
    for stream in (sys.stdout, sys.stderr):
        # A console of another encoding than UTF-8 shows a question mark for what it doesn't have.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        from .group import run

        code = run()
    except ModuleNotFoundError as error:
        # A command finds out only when it runs that rich is missing.
        missing = (error.name or "").partition(".")[0]
        if missing not in {"click", "rich"}:
            raise
        sys.stderr.write(f"{missing} is missing: pip install 'aicc-async[cli]'\n")
        code = 2
    except KeyboardInterrupt:
        # While the above was imported: a command handles its own.
        sys.stderr.write("interrupted\n")
        code = 130
    sys.exit(code)

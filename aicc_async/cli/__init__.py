"""The command line: a thin layer over the library, and the only part that prints.

``help`` lists the commands and loads one when it is used. A file of ``commands`` imports what its
options need; what it takes to run is imported by the command itself.
"""

from __future__ import annotations

import sys

__all__ = ["main"]


def main() -> None:
    """Run the command line and exit with its code."""
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
    sys.exit(code)

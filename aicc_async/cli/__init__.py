"""The command line: a thin layer over the library, and the only part that prints."""

from __future__ import annotations

import sys

try:
    from .commands import (  # noqa: F401  (they register their commands)
        case_types,
        cases,
        create,
        journal,
        probe,
        qflow,
        report,
        statistics,
        tasks,
    )
    from .commands.export import run
except ModuleNotFoundError as error:  # the extra is not installed
    if error.name not in {"click", "rich"}:
        raise
    missing = error.name

    def run() -> int:
        """Say what to install."""
        sys.stderr.write(f"{missing} is missing: pip install 'aicc-async[cli]'\n")
        return 2


__all__ = ["main"]


def main() -> None:
    """Run the command line and exit with its code."""
    sys.exit(run())

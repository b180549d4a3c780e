"""What importing the client costs over the import of aiohttp, attrs and cattrs."""

from __future__ import annotations

import os
import subprocess
import sys
from statistics import median

PAIRS = 15
BOUND = 60.0  # milliseconds more, at most
ENVIRON = {**os.environ, "PYTHONDONTWRITEBYTECODE": ""}  # with byte code, as pip installs it


def milliseconds(statement: str) -> float:
    """Run a statement in a fresh interpreter, and sum up what its imports took."""
    command = [sys.executable, "-X", "importtime", "-c", statement]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=ENVIRON)
    lines = done.stderr.splitlines()[1:]  # the first is the heading
    return sum(int(line.removeprefix("import time:").split("|")[0]) for line in lines) / 1000


def main() -> int:
    """Run both in turns, the first time uncounted, and say whether the bound holds."""
    differences = []
    for number in range(PAIRS + 1):
        ours = milliseconds("from aicc_async import AICCClient")
        theirs = milliseconds("import aiohttp, attrs, cattrs")
        if number:
            differences.append(ours - theirs)
            print(f"AICCClient {ours:6.1f} ms   aiohttp, attrs, cattrs {theirs:6.1f} ms")
    more = median(differences)
    print(f"bench_import: {more:.0f} ms more (bound {BOUND:.0f} ms)")
    return int(more > BOUND)


if __name__ == "__main__":
    sys.exit(main())

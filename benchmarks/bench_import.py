"""What importing the client costs over the import of aiohttp, attrs and cattrs."""

from __future__ import annotations

import os
import subprocess
import sys

from results import Options, Result, run, summarize

PAIRS, QUICK_PAIRS = 15, 3
BOUND = 60.0  # milliseconds more, at most
ENVIRON = {**os.environ, "PYTHONDONTWRITEBYTECODE": ""}  # with byte code, as pip installs it


def milliseconds(statement: str) -> float:
    """Run a statement in a fresh interpreter, and sum up what its imports took."""
    command = [sys.executable, "-X", "importtime", "-c", statement]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=ENVIRON)
    lines = done.stderr.splitlines()[1:]  # the first is the heading
    return sum(int(line.removeprefix("import time:").split("|")[0]) for line in lines) / 1000


def bench(options: Options) -> list[Result]:
    """Run both in turns, the first time uncounted."""
    differences = []
    for number in range((QUICK_PAIRS if options.quick else PAIRS) + 1):
        ours = milliseconds("from aicc_async import AICCClient")
        theirs = milliseconds("import aiohttp, attrs, cattrs")
        if number:
            differences.append(ours - theirs)
            print(f"AICCClient {ours:6.1f} ms   aiohttp, attrs, cattrs {theirs:6.1f} ms")
    name = "import, more than aiohttp, attrs and cattrs"
    return [summarize(name, differences, unit="ms", target=BOUND)]


if __name__ == "__main__":
    sys.exit(run(bench))

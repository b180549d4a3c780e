"""What ``aicc-async --help`` takes, over ``import click`` and over ``import aicc_async``."""

from __future__ import annotations

import os
import subprocess
import sys
import time

from results import Options, Result, run, summarize

PAIRS, QUICK_PAIRS = 15, 3
# Times what importing click takes, at most.
BOUND = 3.0
# With byte code, as pip installs it.
ENVIRON = {**os.environ, "PYTHONDONTWRITEBYTECODE": ""}


def milliseconds(*arguments: str) -> float:
    """Run a fresh interpreter, and return how long it took."""
    command = [sys.executable, *arguments]
    started = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=ENVIRON)
    return 1000 * (time.perf_counter() - started)


def bench(options: Options) -> list[Result]:
    """Run all three in turns, the first time uncounted."""
    over_click, over_package = [], []
    for number in range((QUICK_PAIRS if options.quick else PAIRS) + 1):
        shown = milliseconds("-m", "aicc_async", "--help")
        click = milliseconds("-c", "import click")
        package = milliseconds("-c", "import aicc_async")
        if number:
            over_click.append(shown / click)
            over_package.append(shown / package)
            print(f"--help {shown:6.1f} ms   click {click:6.1f} ms   aicc_async {package:6.1f} ms")
    return [
        summarize("--help / import click", over_click, unit="x", target=BOUND),
        summarize("--help / import aicc_async", over_package, unit="x"),
    ]


if __name__ == "__main__":
    sys.exit(run(bench))

"""Fork a worker for each line of the input: what it runs, the first argument, starts at once.

Importing takes most of a start; here it is done once. Prints the id of each process.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys

import faststream.redis  # noqa: F401  (what workers import)

import aicc_async.connectors.redis.journal  # noqa: F401  (what workers import)

signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # no child leaves a zombie
for _ in sys.stdin:
    if not (pid := os.fork()):
        os.dup2(2, 1)  # what it prints is not for whoever reads the ids
        runpy.run_path(sys.argv[1], run_name="__main__")
        break
    print(pid, flush=True)  # noqa: T201

"""Run a command, and write what it used into a file: CPU seconds and peak resident memory.

Where a process starts from a large one, the system counts that one's memory as a peak of the new
one; this one is small. It imports as little as it can for that reason.
"""

import os
import sys

pid = os.posix_spawnp(sys.argv[2], sys.argv[2:], os.environ)
_, status, usage = os.wait4(pid, 0)
megabytes = usage.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
with open(sys.argv[1], "w", encoding="utf-8") as file:  # noqa: PTH123  (pathlib is 3 MB)
    file.write(f"{usage.ru_utime + usage.ru_stime} {megabytes}")
sys.exit(os.waitstatus_to_exitcode(status) % 256)

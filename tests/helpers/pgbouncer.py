"""A pgbouncer before a Postgres: one connection, which transactions of all clients share.

Without the program (Debian: pgbouncer) the tests that want it are skipped.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from helpers.processes import wait_until

PORT = 6432
CONFIG = """
[databases]
postgres = host={folder}
[pgbouncer]
listen_port = {port}
unix_socket_dir = {folder}
auth_type = trust
auth_file = {folder}/users
pool_mode = transaction
default_pool_size = 1
ignore_startup_parameters = options
logfile = {folder}/pgbouncer.log
"""


@contextmanager
def pooling(server: str) -> Iterator[str]:
    """Run it beside a server's socket, and give the URL of a superuser through it."""
    program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
    if not program:
        pytest.skip("no pgbouncer is installed (Debian: apt-get install pgbouncer)")
    address = urlsplit(server)
    folder = Path(parse_qs(address.query)["host"][0])
    config = folder / "pgbouncer.ini"
    config.write_text(CONFIG.format(folder=folder, port=PORT))
    (folder / "users").write_text(f'"postgres" "{address.password}"\n')
    with subprocess.Popen(  # noqa: S603  (pgbouncer itself)
        [program, "-q", config],
        cwd="/",
        # It refuses to run as root, as Postgres does.
        user=None if os.geteuid() else folder.owner(),
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            wait_until((folder / f".s.PGSQL.{PORT}").exists)
            yield f"postgresql://postgres@/postgres?host={folder}&port={PORT}"
        finally:
            process.terminate()

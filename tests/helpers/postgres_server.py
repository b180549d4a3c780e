"""A Postgres server for the tests: a plugin (``pytest_plugins = ["helpers.postgres_server"]``).

It is created in a temporary folder, listens on a unix socket there, and is stopped at the end.
Without the server's programs (Debian: postgresql) the tests that want it are skipped.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from tempfile import mkdtemp

import psycopg
import pytest

from helpers.postgres_process import find_programs, run_program, server_user

PASSWORD = "hush-4711"
SETTINGS = """
listen_addresses = ''
unix_socket_directories = '{folder}'
fsync = off
full_page_writes = off
autovacuum = off
max_wal_size = 4GB
"""
_numbers = count(1)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """Yield the URL of a superuser, with the password, on a server of this session."""
    programs = find_programs()
    if programs is None:
        pytest.skip("no Postgres server is installed (Debian: apt-get install postgresql)")
    # Short: the path of a socket has at most 107 bytes.
    folder = Path(mkdtemp(prefix="aicc-pg-"))
    try:
        _start(programs, folder)
        try:
            yield f"postgresql://postgres:{PASSWORD}@/postgres?host={folder}"
        finally:
            run_program(programs / "pg_ctl", "-D", folder / "data", "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(folder)


@pytest.fixture
def postgres_url(postgres_server: str) -> str:
    """Return the URL of an empty schema, by way of the connection's search_path."""
    schema = f"test_{next(_numbers)}"
    with psycopg.connect(postgres_server) as connection:
        connection.execute(f"CREATE SCHEMA {schema}".encode())
    return f"{postgres_server}&options=-csearch_path%3D{schema}"


def _start(programs: Path, folder: Path) -> None:
    password = folder / "password"
    password.write_text(PASSWORD)
    if user := server_user():
        shutil.chown(folder, user)
        shutil.chown(password, user)
    data = folder / "data"
    options = ("--no-sync", "-U", "postgres", "-A", "scram-sha-256", "-E", "UTF8", "--locale=C")
    run_program(programs / "initdb", "-D", data, f"--pwfile={password}", *options)
    with (data / "postgresql.conf").open("a") as file:
        file.write(SETTINGS.format(folder=folder))
    run_program(programs / "pg_ctl", "-D", data, "-l", folder / "log", "-w", "start")

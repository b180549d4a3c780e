"""The programs of a Postgres server, and a server that a test crashes and runs again."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from pathlib import Path
from urllib.parse import parse_qs, urlsplit


def crash(url: str) -> None:
    """Stop the server of a URL as a crash would; ``restart`` runs it again."""
    _control(url, "-m", "immediate", "stop")


def restart(url: str) -> None:
    """Run the server of a URL again, with its data."""
    _control(url, "-l", Path(_folder(url)) / "log", "start")


def _folder(url: str) -> str:
    return parse_qs(urlsplit(url).query)["host"][0]


def _control(url: str, *command: str | Path) -> None:
    programs = find_programs()
    assert programs
    run_program(programs / "pg_ctl", "-D", Path(_folder(url)) / "data", "-w", *command)


def find_programs() -> Path | None:
    """Return the folder of the server's programs; None: they are not installed."""
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    path = os.pathsep.join([*map(str, debian), os.environ["PATH"]])
    found = shutil.which("initdb", path=path)
    return Path(found).parent if found else None


def run_program(*command: str | Path) -> None:
    """Run a program of the server; its output would hold a pipe open for ever."""
    subprocess.run(  # noqa: S603  (Postgres itself)
        command, check=True, cwd="/",
        user=server_user(), extra_groups=[] if server_user() else None,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip


def server_user() -> str | None:
    """Return another user's name for root: Postgres refuses to run as root."""
    if os.geteuid():
        return None
    return "postgres" if any(user.pw_name == "postgres" for user in pwd.getpwall()) else "nobody"

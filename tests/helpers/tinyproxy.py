"""A tinyproxy: a forward proxy that wants a user and a password, as those of companies do.

Without the program (Debian: tinyproxy) the tests that want it are skipped.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from attrs import frozen

from helpers.processes import wait_until

USER, PASSWORD = "clerk", "hush-proxy"
CONFIG = """
Listen 127.0.0.1
Port {port}
Timeout 60
MaxClients 50
Allow 127.0.0.1
BasicAuth {user} {password}
LogFile "{folder}/log"
LogLevel Connect
PidFile "{folder}/pid"
{options}
"""
# Another port than any that a test uses: each tunnel is refused with HTTP 403.
NO_TUNNELS = "ConnectPort 1"


@frozen
class Proxy:
    """Where a proxy listens, and what it has seen."""

    port: int
    log: Path

    @property
    def url(self) -> str:
        """Its address with the user and the password."""
        return f"http://{USER}:{PASSWORD}@127.0.0.1:{self.port}"

    @property
    def address(self) -> str:
        """Its address alone."""
        return f"http://127.0.0.1:{self.port}"

    def tunnels(self, port: int) -> int:
        """Count the tunnels to a port of this machine that it was asked for."""
        return self.log.read_text().count(f": CONNECT 127.0.0.1:{port} ")


@contextmanager
def proxying(*, options: str = "") -> Iterator[Proxy]:
    """Run it on a free port."""
    program = shutil.which("tinyproxy", path=f"{os.environ['PATH']}:/usr/sbin")
    if not program:
        pytest.skip("no tinyproxy is installed (Debian: apt-get install tinyproxy)")
    with closing(socket.socket()) as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
    with TemporaryDirectory(prefix="aicc-tinyproxy-") as folder:
        config = Path(folder) / "tinyproxy.conf"
        config.write_text(
            CONFIG.format(port=port, folder=folder, user=USER, password=PASSWORD, options=options)
        )
        command = [program, "-d", "-c", str(config)]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:  # noqa: S603
            try:
                wait_until(lambda: _listens(port))
                yield Proxy(port, Path(folder) / "log")
            finally:
                process.terminate()


def _listens(port: int) -> bool:
    with closing(socket.socket()) as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0

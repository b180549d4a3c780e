"""An nginx in front of a tenant, which keeps a quota as its ``limit_req`` does: a leaky bucket.

Without the program (Debian: nginx-light) the tests that want it are skipped.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

START_TIMEOUT = 10.0  # seconds that it may take to listen
REFUSE_429 = "limit_req zone=q; limit_req_status 429;"
# Its default status.
REFUSE_503 = "limit_req zone=q;"
CONFIG = """
daemon off;
worker_processes 1;
pid {folder}/pid;
error_log {folder}/error.log crit;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    limit_req_zone $server_name zone=q:1m rate={rate}r/s;
    upstream tenant {{ server {tenant}; keepalive 16; }}
    server {{
        listen 127.0.0.1:{port};
        server_name quota;
        location / {{
            {options}
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_pass http://tenant;
        }}
    }}
}}
"""


@contextmanager
def limiting(
    tenant: str, *, rate: int = 20, options: str = REFUSE_429, port: int = 0
) -> Iterator[str]:
    """Run nginx before a tenant, letting through so many requests a second; give its address.

    ``port`` 0 is one that was free.
    """
    # It is not on the path of every user.
    program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    if not program:
        pytest.skip("no nginx is installed (Debian: apt-get install nginx-light)")
    port = port or _free_port()
    with TemporaryDirectory(prefix="aicc-nginx-") as folder:
        config = Path(folder) / "nginx.conf"
        address = tenant.removeprefix("http://")
        text = CONFIG.format(folder=folder, rate=rate, tenant=address, port=port, options=options)
        config.write_text(text, encoding="ascii")
        with subprocess.Popen([program, "-p", folder, "-c", config]) as process:  # noqa: S603
            try:
                _wait(process, port)
                yield f"http://127.0.0.1:{port}"
            finally:
                process.terminate()


def _free_port() -> int:
    with closing(socket.socket()) as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def _wait(process: subprocess.Popen[bytes], port: int) -> None:
    last = time.monotonic() + START_TIMEOUT
    while True:
        assert process.poll() is None, "nginx ended at once"
        assert time.monotonic() < last, "nginx does not listen"
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            time.sleep(0.01)
        else:
            return

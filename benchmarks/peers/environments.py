"""Peers: their names, and the environments that they run in.

Each has a virtual environment of its own, with the releases that its ``requirements-NAME.txt``
pins. It is made once and kept in the user's cache; another list makes another environment.
"""

from __future__ import annotations

import os
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from shutil import rmtree

from attrs import frozen

FOLDER = Path(__file__).parent
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "aicc-async-peers"


@frozen(kw_only=True)
class Peer:
    """A program that reads all rows: ``name`` is its script's, ``title`` is shown.

    ``prints`` is whether its JSON lines are what it prints, as those of a tap are.
    """

    name: str
    title: str
    prints: bool = False

    @property
    def script(self) -> Path:
        """Return the file that is run."""
        return FOLDER / f"peer_{self.name}.py"


OURS = Peer(name="aicc", title="aicc-async, verified")
PEERS = (
    OURS,
    Peer(name="aiohttp", title="aiohttp + orjson loop"),
    Peer(name="requests", title="requests loop"),
    Peer(name="httpx", title="httpx + pydantic"),
    Peer(name="dlt", title="dlt rest_api"),
    Peer(name="airbyte", title="airbyte-cdk low-code", prints=True),
    Peer(name="singer", title="singer-sdk", prints=True),
)


def find_python(peer: Peer) -> str:
    """Return the interpreter to run a peer with, and install the peer if that was never done.

    Raises ``subprocess.CalledProcessError`` when it cannot be installed.
    """
    if peer is OURS:
        return sys.executable
    pinned = FOLDER / f"requirements-{peer.name}.txt"
    digest = sha256(pinned.read_bytes() + sys.version.encode()).hexdigest()
    folder = CACHE / f"{peer.name}-{digest[:12]}"
    python = folder / "bin" / "python"
    if not folder.exists():
        print(f"installing {peer.title} into {folder}", flush=True)
        try:
            subprocess.run([sys.executable, "-m", "venv", folder], check=True)
            subprocess.run([python, "-m", "pip", "install", "-qq", "-r", pinned], check=True)
        except BaseException:
            rmtree(folder, ignore_errors=True)
            raise
    return str(python)

"""Where a load reads into: a folder in the pipeline's own, which is the same for every run.

The idea: a process that is killed while it reads leaves what it has, and the next run of the same
pipeline resumes the export there, or removes what is of another load. Rows hold contact data, which
nothing else would ever remove.

The invariant: who has a folder's lock is alone in it. SQLite's lock is taken back from a process
that dies.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from shutil import rmtree
from tempfile import TemporaryDirectory

from dlt.common.configuration.container import Container
from dlt.common.pipeline import PipelineContext

from ...errors import ConfigError
from ...journal.owner import lock_file

PREFIX = "aicc-"
# Its rows hold contact data.
FOLDER_MODE = 0o700


@contextmanager
def open_folder(key: str, load: str) -> Iterator[Path]:
    """Yield a folder for one ``load`` of a source, and remove it in the end, but for a kill.

    ``key`` is what this load shares with those that it must not meet. What was left by another load
    is removed. Raises ConfigError when another process reads into it.
    """
    context = Container()[PipelineContext]
    # ``dlt.current.pipeline()`` would make a pipeline where none runs, as when a source is
    # iterated. The system's temporary folder has the file then.
    if not context.is_active():
        with TemporaryDirectory(prefix=PREFIX, ignore_cleanup_errors=True) as name:
            yield Path(name)
        return
    parent = Path(context.pipeline().working_dir)
    own = parent / f"{PREFIX}{key}"
    try:
        lock = lock_file(_lock_path(own))
    except sqlite3.OperationalError:
        raise ConfigError(f"cannot use {own}: another run of this pipeline reads into it") from None
    with closing(lock):
        for other in parent.glob(f"{PREFIX}*"):
            # Of another key: it stays where somebody reads into it.
            if other != own:
                with suppress(sqlite3.OperationalError), closing(lock_file(_lock_path(other))):
                    rmtree(other, ignore_errors=True)
        folder = own / load
        folder.mkdir(FOLDER_MODE, parents=True, exist_ok=True)
        for other in own.iterdir():
            if other != folder:
                rmtree(other)
        try:
            yield folder
        finally:
            # Windows removes no file that is open: the next load does.
            rmtree(own, ignore_errors=True)


def _lock_path(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.lock")

"""Damaged files on the command line: an exit code and one line, never a traceback."""

from __future__ import annotations

import asyncio
import shutil
from datetime import datetime
from pathlib import Path

import pytest
from helpers.fuzz import damage, fuzzed, runs
from helpers.shell import Call

from aicc_async import AICCClient, CaseQuery, SQLiteJournal, StaticToken, export_cases
from aicc_async.emulator import Emulator
from aicc_async.export import Progress
from aicc_async.settings.profile import Profile

TARGETS = ("c.jsonl", "c.jsonl.gz", "c.jsonl.zst", "c.csv", "c.parquet", "c.db")
QUARTER = CaseQuery(
    start_time=datetime(2025, 1, 1),  # noqa: DTZ001  (wall-clock times)
    end_time=datetime(2025, 3, 31, 23, 59, 59),  # noqa: DTZ001
)
RANGE = ("--since", "2025-01-01", "--until", "2025-01-03")
# What reads a file, by the name that the file has.
COMMANDS: dict[str, tuple[str, ...]] = {
    **{name: ("export", name, "--since", "last") for name in TARGETS},
    "c.jsonl.manifest.json": ("report", "c.jsonl.manifest.json", "-o", "page.html"),
    "c.db.manifest.json": ("export", "c.db", "--since", "last"),
    "c.csv.manifest.json": ("export", "c.csv", *RANGE),
    ".d.jsonl.export/state.db": (
        "export",
        "d.jsonl",
        "--since",
        "2025-01-01",
        "--until",
        "2025-03-31",
    ),
    ".d.jsonl.export/rows.jsonl": (
        "export",
        "d.jsonl",
        "--since",
        "2025-01-01",
        "--until",
        "2025-03-31",
    ),
    "p.toml": ("list", "--profile", "p.toml", "--limit", "1"),
    "key.csv": ("list", "--key-file", "key.csv", "--limit", "1"),
    "k.journal": ("journal", "list", "--journal", "k.journal"),
}


async def prepare(tenant: Emulator, folder: Path) -> None:
    """Make files that no command leaves: an unfinished export, and a journal with an entry."""

    def stop(progress: Progress) -> None:
        if progress.windows_done:
            raise InterruptedError

    async with AICCClient(tenant.url, auth=StaticToken(tenant.token())) as aicc:
        with pytest.raises(InterruptedError):
            await export_cases(aicc, QUARTER, folder / "d.jsonl", on_progress=stop)
    async with SQLiteJournal(folder / "k.journal") as journal:
        await journal.claim("k", digest="d", match_digest="m")


@pytest.fixture
def good(call: Call, tenant: Emulator, tmp_path: Path) -> Path:
    """Make a folder with a file of each kind."""
    folder = tmp_path / "good"
    folder.mkdir()
    for name in TARGETS:
        assert call("export", folder / name, *RANGE).code == 0
    Profile(page_size=50, rate=10.0, rate_refused=12.0).save(folder / "p.toml")
    keys = f'username,client_id,client_secret\nme,"{tenant.client_id}",{tenant.client_secret}\n'
    (folder / "key.csv").write_text(keys)
    asyncio.run(prepare(tenant, folder))
    return folder


def test_a_damaged_file_ends_a_command_with_one_line(
    call: Call, good: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever file it is and whatever reads it: a code of ours, and at most one line of error."""
    for number in range(runs(30)):
        with fuzzed(number) as rng:
            folder = tmp_path / str(number)
            shutil.copytree(good, folder)
            monkeypatch.chdir(folder)
            name = rng.choice(list(COMMANDS))
            Path(name).write_bytes(damage(rng, Path(name).read_bytes()))
            ended = call(*COMMANDS[name])
            # A warning, or how many cases a list has, is no error.
            told = ("warning: ", "1 of 300 cases; next:")
            said = [line for line in ended.err.splitlines() if not line.startswith(told)]
            # 3 is an ExportError as well as an export that is unverified.
            lines = {0: {0}, 1: {1}, 2: {1}, 3: {0, 1}}
            assert len(said) in lines[ended.code], (name, ended)

"""Targets that could not be written in the end: refused before the first request."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.exports import QUARTER

from aicc_async import AICCClient, ConfigError, export_cases
from aicc_async.emulator import Emulator

MOUNTED = """
mount --bind "$1" "$1" && exec "$2" -c '
import sys
from zoneinfo import ZoneInfo
from aicc_async import ConfigError
from aicc_async.export.sinks.registry import resolve_target
for name in ("sqlite", "csv"):
    try:
        resolve_target(sys.argv[1], ZoneInfo("UTC"), name=name)
        print(name)
    except ConfigError as error:
        print(error)
' "$1"
"""
LONG = 255 - len("..manifest.json.part")


def names(folder: Path) -> list[str]:
    """List a folder."""
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("x" * (244 - 6) + ".jsonl", f"^path must have a name of at most {LONG} bytes, got 244: "),
        ("工" * 78 + "xx.db", f"^path must have a name of at most {LONG} bytes, got 239: "),
        ("x\udcff.csv", r"^target must have a name in UTF-8, got 'x\\udcff\.csv'$"),
        ("x\0.csv", r"^path must be a file, got "),
        ("dangling.csv", r"^cannot write to .*missing, where .*dangling\.csv leads$"),
    ],
    ids=["244 bytes", "239 bytes", "not UTF-8", "NUL", "dangling"],
)
async def test_a_name_that_cannot_be_written_is_refused_at_once(
    aicc: AICCClient, tenant: Emulator, tmp_path: Path, name: str, says: str
) -> None:
    """The manifest has a longer name, and it holds the target's; nothing is left behind."""
    if name == "dangling.csv":
        (tmp_path / name).symlink_to(tmp_path / "missing" / "cases.csv")
    before = names(tmp_path)
    with pytest.raises(ConfigError, match=says):
        await export_cases(aicc, QUARTER, tmp_path / name)
    assert (names(tmp_path), tenant.requests) == (before, [])


async def test_the_longest_name_is_written(aicc: AICCClient, tmp_path: Path) -> None:
    """The bound is the file system's, less what is put around the name."""
    name = "x" * (LONG - 4) + ".csv"
    report = await export_cases(aicc, QUARTER, tmp_path / name)
    assert (report.rows, names(tmp_path)) == (
        300,
        [name, f"{name}.manifest.json"],
    )


def test_a_mounted_file_is_refused(tmp_path: Path) -> None:
    """A mount point cannot be renamed over; a database is changed where it is."""
    target = tmp_path / "cases of today.dat"
    target.touch()
    command = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", MOUNTED, "sh"]
    try:
        ended = subprocess.run(  # noqa: S603  (ours)
            [*command, str(target), sys.executable],
            capture_output=True,
            text=True,
            check=False,
            timeout=20,
        )
    except FileNotFoundError:
        pytest.skip("unshare is not installed")
    if ended.returncode:
        pytest.skip(f"nothing may be mounted here: {ended.stderr}")
    assert ended.stdout.splitlines() == [
        "sqlite",
        f"path must not be a mount point, got {target}. Mount its folder instead",
    ]


async def test_a_version_may_be_unknown(
    aicc: AICCClient, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Packages for Lambda and PyInstaller's have no metadata: the export ends well all the same."""

    def stripped(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", stripped)
    report = await export_cases(aicc, QUARTER, out)
    assert dict(report.versions) | {"python": ""} == {
        "aicc-async": "unknown",
        "aiohttp": "unknown",
        "python": "",
    }

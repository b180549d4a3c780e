"""What no export has written is neither deleted nor overwritten without a word."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from helpers.exports import QUARTER

from aicc_async import AICCClient, ConfigError, export_cases
from aicc_async.emulator import Emulator

FILES = ("jsonl", "jsonl.gz", "jsonl.zst", "csv", "parquet")
SAYS = r"^cannot overwrite .*{}: no export has written it\. .* --overwrite \(overwrite=True\)$"


def names(folder: Path) -> list[str]:
    """List a folder."""
    return [path.name for path in folder.iterdir()]


@pytest.mark.parametrize("suffix", FILES)
async def test_a_file_that_no_export_has_written_is_kept(
    aicc: AICCClient, tenant: Emulator, tmp_path: Path, suffix: str
) -> None:
    """It is refused before the first request, unless ``overwrite`` replaces it."""
    target = tmp_path / f"cases.{suffix}"
    target.write_bytes(b"my own\n")
    for restart in (False, True):
        with pytest.raises(ConfigError, match=SAYS.format(rf"cases\.{suffix}")):
            await export_cases(aicc, QUARTER, target, restart=restart)
    assert (target.read_bytes(), names(tmp_path)) == (b"my own\n", [target.name])
    assert tenant.requests == []
    assert (await export_cases(aicc, QUARTER, target, overwrite=True)).rows == 300
    assert (await export_cases(aicc, QUARTER, target)).rows == 300


async def test_an_empty_file_may_be_overwritten(aicc: AICCClient, out: Path) -> None:
    """As ``mktemp`` makes it."""
    await asyncio.to_thread(out.touch)
    assert (await export_cases(aicc, QUARTER, out)).rows == 300


async def test_a_file_beside_another_s_manifest_is_kept(aicc: AICCClient, out: Path) -> None:
    """What is beside it must be an export's manifest."""
    path = out.with_name(f"{out.name}.manifest.json")
    path.write_text('{"name": "mine"}')
    with pytest.raises(ConfigError, match=SAYS.format(r"cases\.jsonl\.manifest\.json")):
        await export_cases(aicc, QUARTER, out)
    assert path.read_text() == '{"name": "mine"}'
    assert (await export_cases(aicc, QUARTER, out, overwrite=True)).rows == 300


async def test_a_folder_of_that_name_is_kept(aicc: AICCClient, tenant: Emulator, out: Path) -> None:
    """Nothing is written into it either; with ``overwrite`` what is in it stays."""
    folder = out.with_name(".cases.jsonl.export")
    (folder / "photos").mkdir(parents=True)
    mine = folder / "photos" / "me.jpg"
    mine.write_bytes(b"smile")
    with pytest.raises(ConfigError, match=r"^cannot use .*\.export: it has files .* 'photos'\. "):
        await export_cases(aicc, QUARTER, out)
    assert (names(folder), tenant.requests) == (["photos"], [])
    assert (await export_cases(aicc, QUARTER, out, overwrite=True)).rows == 300
    assert (names(folder), mine.read_bytes()) == (["photos"], b"smile")

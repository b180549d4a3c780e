"""What the tests of exports share: files that are not there yet."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """Name a target in an empty folder."""
    return tmp_path / "cases.jsonl"


@pytest.fixture
def path(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """Name a file that is not there yet, as the module's ``NAME`` says."""
    return tmp_path / str(request.module.NAME)

"""What the core's tests share besides the tenant: the documents' samples."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SAMPLES = Path(__file__).parents[1] / "samples"


@pytest.fixture
def sample() -> Callable[[str], Any]:
    """Read one of the documents' samples as JSON."""
    return lambda name: json.loads((SAMPLES / f"{name}.json").read_bytes())

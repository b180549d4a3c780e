"""A dlt pipeline into a DuckDB file, which has no settings but those of a test."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dlt
import pytest
from dlt.common.configuration.container import Container
from dlt.common.pipeline import PipelineContext
from dlt.common.runtime import anon_tracker


@pytest.fixture
def alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, set_variables: Callable[..., None]
) -> Iterator[None]:
    """Hide all settings from dlt, keep its telemetry off, and forget the pipeline in the end."""
    monkeypatch.chdir(tmp_path)
    set_variables()
    for name in [name for name in os.environ if name.startswith("SOURCES__")]:
        monkeypatch.delenv(name)
    yield
    # Nothing was sent to dlt's makers.
    assert anon_tracker._ANON_TRACKER_ENDPOINT is None
    context = Container()[PipelineContext]
    if context.is_active():
        context.deactivate()


@pytest.fixture
def pipeline(tmp_path: Path) -> Any:
    """Make a pipeline into a DuckDB file."""
    database = dlt.destinations.duckdb(str(tmp_path / "cases.duckdb"))
    return dlt.pipeline(
        "cases", destination=database, dataset_name="d", pipelines_dir=str(tmp_path / "dlt")
    )

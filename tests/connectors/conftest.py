"""What the tests of Spark and dlt share."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest


@pytest.fixture
def set_variables(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return a function that leaves no other ``AICC_*`` variables than those it is called with."""

    def replace(**variables: str) -> None:
        for name in [name for name in os.environ if name.startswith("AICC_")]:
            monkeypatch.delenv(name)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return replace


@pytest.fixture(autouse=True)
def no_telemetry_of_dlt(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep dlt from telling its makers, whichever test makes the first pipeline of the process."""
    monkeypatch.setenv("RUNTIME__DLTHUB_TELEMETRY", "false")

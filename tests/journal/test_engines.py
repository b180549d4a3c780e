"""The journal page's recipes for durable engines: a step that runs again creates no second case."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest
from helpers.recipes import recipe

from aicc_async import AICCClient
from aicc_async.connectors.postgres import PostgresJournal
from aicc_async.emulator import Emulator, Fault, run_in_thread

pytest_plugins = ["helpers.postgres_server"]

MISSING = "{} is missing: pip install 'aicc-async[recipes]'"
CREATE = 'return await aicc.create_case(new, key=f"order-{number}")'
CREATE_AND_DIE = CREATE.replace("return ", "") + "\n    os.kill(os.getpid(), 9)"


@pytest.fixture
def environ(postgres_url: str) -> Iterator[dict[str, str]]:
    """Run an empty tenant, and name what a recipe reads."""
    with run_in_thread(cases=0) as tenant:
        yield {
            **os.environ,
            "AICC_BASE_URL": tenant.url,
            "AICC_CLIENT_ID": tenant.client_id,
            "AICC_CLIENT_SECRET": tenant.client_secret,
            "AICC_TIMEZONE": "Asia/Shanghai",
            "DATABASE_URL": postgres_url,
            # Else another text of a step is another version, which recovers nothing of the first.
            "DBOS__APPVERSION": "1",
        }
        assert tenant.count() == 1


@pytest.mark.slow
@pytest.mark.timeout(60)
@pytest.mark.skipif(not find_spec("dbos"), reason=MISSING.format("dbos"))
def test_dbos_recovers_a_killed_workflow(environ: dict[str, str], tmp_path: Path) -> None:
    """A process that dies between the create and its note leaves one case for the next."""
    code, script = recipe("dbos_orders.py"), tmp_path / "dbos_orders.py"
    assert CREATE in code
    ends = []
    for text in (code.replace(CREATE, CREATE_AND_DIE), code, code):
        script.write_text(text)
        done = subprocess.run(  # noqa: S603  (the page's)
            [sys.executable, script], env=environ, capture_output=True, text=True, check=False
        )
        ends.append((done.returncode, done.stdout))

    assert ends[0] == (-signal.SIGKILL, "")
    assert ends[1] == ends[2]
    assert ends[1][0] == 0
    assert len(ends[1][1].split()) == 1


def load_recipe(folder: Path) -> Any:
    """Import Temporal's recipe as a module."""
    script = folder / "temporal_orders.py"
    script.write_text(recipe("temporal_orders.py"))
    spec = spec_from_file_location("temporal_orders", script)
    assert spec
    assert spec.loader
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


async def test_temporal_runs_an_activity_again(
    tenant: Emulator, connect: Callable[..., AICCClient], postgres_url: str, tmp_path: Path
) -> None:
    """An attempt whose answer was lost fails so that it is retried, and the next finds its case.

    The activity runs in Temporal's own environment for one; its server is not run.
    """
    testing = pytest.importorskip("temporalio.testing", reason=MISSING.format("temporalio"))
    module = load_recipe(tmp_path)
    journal = PostgresJournal(postgres_url)
    async with connect(journal=journal) as aicc:
        create = module.Cases(aicc).create
        tenant.fail("create", Fault.DROP_AFTER)
        with pytest.raises(module.ApplicationError) as caught:
            await testing.ActivityEnvironment().run(create, "4711", "Parcel lost")
        ids = [
            await testing.ActivityEnvironment().run(create, "4711", "Parcel lost") for _ in range(2)
        ]

    assert (caught.value.message, caught.value.non_retryable) == ("UnknownOutcome", False)
    assert set(ids) < set(tenant.ids())
    assert (len(set(ids)), tenant.count()) == (1, 301)

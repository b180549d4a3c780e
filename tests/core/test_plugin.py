"""The pytest plugin, in pytest runs of its own."""

import subprocess
import sys
import urllib.request
from importlib.metadata import entry_points
from pathlib import Path

import pytest

import aicc_async
from aicc_async.emulator import run_in_thread

pytest_plugins = ["pytester"]

PLUGIN = "aicc_async.testing"
SYNC_TEST = """
    import urllib.request

    def test_sync(aicc_emulator):
        body = b'{"start":0,"limit":1}'
        url = aicc_emulator.url + "/service/AICC__Case/1.0.0/openapi/case/list"
        headers = {"access-token": aicc_emulator.token(), "Content-Type": "application/json"}
        request = urllib.request.Request(url, body, headers)
        with urllib.request.urlopen(request) as response:
            assert b'"count":300' in response.read()
        assert aicc_emulator.count() == 300
"""
ASYNC_TEST = """
    import aiohttp
    import pytest

    async def enqueue(tenant):
        async with aiohttp.ClientSession() as session:
            async with session.post(tenant.qflow_url + "/Cases", json={"ServiceId": 2}) as response:
                assert response.status == 200
        assert len(tenant.enqueued) == 1

    @pytest.mark.asyncio
    async def test_async(aicc_emulator):
        await enqueue(aicc_emulator)

    @pytest.mark.asyncio
    async def test_next_one_is_another_tenant(aicc_emulator):
        await enqueue(aicc_emulator)
"""
MARKED_TEST = """
    import pytest

    @pytest.mark.aicc_emulator(cases=5, quota=7)
    def test_marked(aicc_emulator):
        assert (aicc_emulator.count(), aicc_emulator.quota) == (5, 7)
"""
WIDER_TESTS = """
    import pytest

    pytestmark = pytest.mark.aicc_emulator(cases=5)
    seen = []

    @pytest.fixture(scope="session")
    def aicc_emulator_options():
        return {"quota": 7}

    @pytest.mark.parametrize("number", [1, 2])
    def test_one_for_the_file(module_aicc_emulator, number):
        assert (module_aicc_emulator.count(), module_aicc_emulator.quota) == (5, 7)
        seen.append(module_aicc_emulator.url)

    @pytest.mark.parametrize("number", [1, 2])
    def test_one_for_the_run(session_aicc_emulator, number):
        assert (session_aicc_emulator.count(), session_aicc_emulator.quota) == (300, 7)
        seen.append(session_aicc_emulator.url)

    def test_each_was_one():
        assert len(seen) == 4
        assert len(set(seen)) == 2
"""
BYSTANDER = """
import sys, aicc_async.testing
sys.exit(str({"aicc_async.emulator", "aicc_async.client", "aiohttp", "attrs"} & sys.modules.keys()))
"""


@pytest.fixture(autouse=True)
def surroundings(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the package on the path of the inner run, settle what pytest-asyncio wants settled."""
    monkeypatch.setenv("PYTHONPATH", str(Path(aicc_async.__file__).parents[1]))
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function\n")


def run(pytester: pytest.Pytester, source: str, *options: str) -> pytest.RunResult:
    """Run tests with the plugin: installed, or named where the package is only on the path.

    In a process of its own, and without a plugin that leaves event loops open in sync tests.
    """
    installed = entry_points(group="pytest11", name="aicc_async")
    named = () if installed else ("-p", PLUGIN)
    pytester.makepyfile(source)
    strict = ("--strict-markers", "-W", "error", "-p", "no:looptime_plugin")
    return pytester.runpytest_subprocess(*named, *strict, *options)


def test_a_sync_test_gets_a_tenant(pytester: pytest.Pytester) -> None:
    """No event loop is needed to use the fixture."""
    run(pytester, SYNC_TEST).assert_outcomes(passed=1)


def test_an_async_test_gets_a_tenant(pytester: pytest.Pytester) -> None:
    """The tenant's thread does not care whose event loop the test runs in."""
    run(pytester, ASYNC_TEST).assert_outcomes(passed=2)


def test_the_marker_sets_options(pytester: pytest.Pytester) -> None:
    """Keyword arguments of the marker are the emulator's."""
    run(pytester, MARKED_TEST).assert_outcomes(passed=1)


def test_wider_scopes(pytester: pytest.Pytester) -> None:
    """A file and a run may share a tenant, with options of their own."""
    run(pytester, WIDER_TESTS, "-p", "no:randomly").assert_outcomes(passed=5)


def test_the_marker_is_documented(pytester: pytest.Pytester) -> None:
    """`pytest --markers` tells of it."""
    run(pytester, "", "--markers").stdout.fnmatch_lines(["*aicc_emulator(*options)*"])


def test_bystanders_do_not_load_a_server() -> None:
    """A pytest run that does not use the fixture does not pay for it."""
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", BYSTANDER], check=False, capture_output=True, text=True
    )
    assert done.stderr.strip() == "set()"


def test_the_thread_ends_with_its_context() -> None:
    """After the context nobody listens any more."""
    with run_in_thread(cases=1) as tenant:
        url = tenant.url
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(url)  # noqa: S310 -- a loopback address of our own


def test_a_tenant_that_cannot_start_says_so() -> None:
    """An error of the start reaches the caller, from the thread."""
    with run_in_thread(cases=1) as tenant:
        second = run_in_thread(cases=1, port=tenant.port)
        with pytest.raises(OSError, match="address"), second:
            pass

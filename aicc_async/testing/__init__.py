"""A pytest plugin: a tenant for tests, as the fixtures ``aicc_emulator`` and two wider ones.

It is installed with the package (entry point ``pytest11``): there is nothing to import. This is a
whole test file. It takes ``pip install aicc-async pytest pytest-asyncio``::

    import pytest

    from aicc_async import AICCClient, NewCase, StaticToken, UnknownOutcome
    from aicc_async.emulator import Emulator, Fault

    NEW = NewCase(
        title="Parcel lost",
        description="It did not come.",
        type="cvmC0000014Oc9jgT7ZI",
        contact_id="ciIy0000013y7cC8T2rA",
        creator_id="10gg00000148PCjKVDAu",
    )


    @pytest.mark.asyncio
    @pytest.mark.aicc_emulator(cases=50, quota=100)
    async def test_a_lost_answer_is_not_a_failure(aicc_emulator: Emulator) -> None:
        aicc_emulator.fail("create", Fault.DROP_AFTER)
        auth = StaticToken(aicc_emulator.token())
        async with AICCClient(aicc_emulator.url, auth=auth) as aicc:
            with pytest.raises(UnknownOutcome):
                await aicc.create_case(NEW)
        assert aicc_emulator.count() == 51

The fixture needs no event loop; the test above does, and any plugin that runs ``async`` tests will
do instead of pytest-asyncio.

``module_aicc_emulator`` and ``session_aicc_emulator`` are one tenant for all tests of a file, or of
the run: starting one takes a few hundredths of a second for 300 cases. The marker
``aicc_emulator(**options)`` sets the options of ``aicc_async.emulator.Emulator`` for a test or, as
``pytestmark``, for a file; a fixture ``aicc_emulator_options`` of your own (scope ``session``) sets
them for the whole run.

``aicc_async.testing.mocks`` is for answers without a server.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

CASES = 300
MARKER = "aicc_emulator(**options): options of aicc_async.emulator.Emulator for the fixture"


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker, so that --strict-markers knows it."""
    config.addinivalue_line("markers", MARKER)


@pytest.fixture(scope="session")
def aicc_emulator_options() -> Mapping[str, Any]:
    """Return options for every tenant of the run; override it in a ``conftest.py``."""
    return {}


@pytest.fixture
def aicc_emulator(
    request: pytest.FixtureRequest, aicc_emulator_options: Mapping[str, Any]
) -> Iterator[Any]:
    """Run an ``aicc_async.emulator.Emulator`` in a thread of its own, for one test."""
    yield from _running(request, aicc_emulator_options)


@pytest.fixture(scope="module")
def module_aicc_emulator(
    request: pytest.FixtureRequest, aicc_emulator_options: Mapping[str, Any]
) -> Iterator[Any]:
    """Run one for all tests of a file; what a test leaves there, the next one finds."""
    yield from _running(request, aicc_emulator_options)


@pytest.fixture(scope="session")
def session_aicc_emulator(
    request: pytest.FixtureRequest, aicc_emulator_options: Mapping[str, Any]
) -> Iterator[Any]:
    """Run one for all tests of a run; what a test leaves there, the next one finds."""
    yield from _running(request, aicc_emulator_options)


def _running(request: pytest.FixtureRequest, options: Mapping[str, Any]) -> Iterator[Any]:
    # pytest loads this file in every run, also where nobody wants a server.
    from ..emulator import run_in_thread  # noqa: PLC0415

    # The thread keeps it apart from whatever event loop the tests run, if any.
    marker = request.node.get_closest_marker("aicc_emulator")
    with run_in_thread(
        **{"cases": CASES, **options, **(marker.kwargs if marker else {})}
    ) as tenant:
        yield tenant

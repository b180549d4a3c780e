"""A pytest plugin: the fixture `aicc_emulator`, a tenant of a test's own.

Installed with the package (entry point `pytest11`), nothing to import::

    @pytest.mark.aicc_emulator(cases=50, quota=10)
    async def test_something(aicc_emulator):
        async with AICCClient(aicc_emulator.url, auth=StaticToken(aicc_emulator.token())) as aicc:
            ...
"""

from collections.abc import Iterator

import pytest

CASES = 300
MARKER = "aicc_emulator(**options): options of aicc_async.emulator.Emulator for the fixture"


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker, so that --strict-markers knows it."""
    config.addinivalue_line("markers", MARKER)


@pytest.fixture
def aicc_emulator(request: pytest.FixtureRequest) -> Iterator[object]:
    """Run an `aicc_async.emulator.Emulator` in a thread of its own, for one test.

    The thread keeps it apart from whatever event loop the test runs, if any. Keyword arguments of
    the marker `aicc_emulator` go to `Emulator`.
    """
    # Imported here: pytest loads this file in every run, also where nobody wants a server.
    from ..emulator import run_in_thread  # noqa: PLC0415

    marker = request.node.get_closest_marker("aicc_emulator")
    options = marker.kwargs if marker else {}
    with run_in_thread(**{"cases": CASES, **options}) as tenant:
        yield tenant

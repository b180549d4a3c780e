"""A response class for aioresponses, which does not know aiohttp's newest argument."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import aiohttp


class MockedResponse(aiohttp.ClientResponse):
    """A response whose request was written by nobody.

    aioresponses 0.7.9 leaves ``stream_writer`` out, which aiohttp 3.14 wants.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("stream_writer", SimpleNamespace(output_size=0))
        super().__init__(*args, **kwargs)

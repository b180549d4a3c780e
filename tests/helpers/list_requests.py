"""What a tenant was asked for by its list."""

from __future__ import annotations

import json
from typing import Any

from aicc_async.emulator import Emulator


def list_bodies(tenant: Emulator) -> list[dict[str, Any]]:
    """Parse the bodies of all requests for a page, in the order in which they came."""
    return [json.loads(each.body) for each in tenant.requests if each.operation == "list"]

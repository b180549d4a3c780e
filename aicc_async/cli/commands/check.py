"""The command that makes the first calls of a new account."""

from __future__ import annotations

from typing import Any

import click

from ..console import SERVICE
from ..options import connection, demo

ATTEMPTS, DEADLINE = 2, 30.0  # seconds


@click.command()
@connection
@demo
def check(**options: Any) -> None:
    """Sign in, and tell what this account can do.

    Prints a line each on sign-in, cases, zone, rights and gateway, and what probe would ask. About
    ten requests, which only read. Exit codes: 0 the list can be read, 1 the service refused it or
    cannot be reached, or rows contradict the zone, 2 a setting is missing or wrong.

    \b
    Example:
      aicc-async check --demo
    """
    from ...settings import RetryPolicy
    from ..calls import call
    from ..connect import reader
    from ..tenant_check import check_tenant

    # Whoever tries an account does not want to wait for an outage to end.
    quick = {"retry": RetryPolicy(attempts=ATTEMPTS, deadline=DEADLINE)}
    if not call(reader(**options, writing=quick), check_tenant):
        raise click.exceptions.Exit(SERVICE)

"""The commands that show how many cases came and went."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import datetime, timedelta
from typing import Any

import click

from ..options import Since, ago, connection, demo

DAY = click.DateTime(["%Y-%m-%d"])


@click.group()
def statistics() -> None:
    """Count cases: at this moment, or day by day."""


@statistics.command()
@connection
@demo
def current(**options: Any) -> None:
    """Print the tenant's counts of this moment; averageDuration is in days.

    \b
    Example:
      aicc-async statistics current --demo
    """
    from ..calls import print_one
    from ..connect import reader

    print_one(reader(**options), lambda aicc: aicc.current_statistics())


@statistics.command()
@click.option("--case-type", metavar="ID", help="The cases of one type; see case-type list.")
@click.option(
    "--since", type=Since(DAY), metavar="DATE", help="First day: 2025-01-01; 7d: so long ago."
)
@click.option("--until", type=DAY, metavar="DATE", help="Last day: 2025-01-31.")
@connection
@demo
def report(
    *,
    case_type: str | None,
    since: datetime | timedelta | None,
    until: datetime | None,
    **options: Any,
) -> None:
    """Print the counts of all days and case types that match, one JSON object on each line.

    Newest day first; averageDuration is in days.

    \b
    Example:
      aicc-async statistics report --demo --case-type cvmC00000149NzxF1ePA \\
        --since 2025-01-01 --until 2025-01-31
    """
    from ...client import AICCClient
    from ...models import CaseStatistics, StatisticsQuery
    from ..calls import print_all
    from ..connect import reader

    def rows(aicc: AICCClient) -> AsyncGenerator[CaseStatistics]:
        # A day of the tenant's calendar.
        moment = ago(since).astimezone(aicc.timezone) if isinstance(since, timedelta) else since
        first = moment.date() if moment else None
        last = until.date() if until else None
        return aicc.iter_statistics(
            StatisticsQuery(case_type_id=case_type, start_time=first, end_time=last)
        )

    print_all(reader(**options), rows)

"""The commands that show case types."""

from __future__ import annotations

from typing import Any

import click

from ..options import connection, demo


@click.group("case-type")
def case_type() -> None:
    """Look at the kinds of cases that there are."""


@case_type.command("list")
@click.option("--name", metavar="TEXT", help="A part of the name.")
@click.option("--status", metavar="TEXT", help="Active or Inactive.")
@connection
@demo
def list_(*, name: str | None, status: str | None, **options: Any) -> None:
    """Print all case types that match, one JSON object on each line.

    \b
    Example:
      aicc-async case-type list --demo --status Active
    """
    from ...models import CaseTypeQuery
    from ..calls import print_all
    from ..connect import reader

    wanted = CaseTypeQuery(type_name=name, status=status)
    print_all(reader(**options), lambda aicc: aicc.iter_case_types(wanted))


@case_type.command()
@click.argument("type_id", metavar="ID")
@connection
@demo
def get(type_id: str, **options: Any) -> None:
    """Print a case type; its caseStatus lists the flow nodes of its cases.

    \b
    Example:
      aicc-async case-type get --demo cvmC00000149NzxF1ePA
    """
    from ..calls import print_one
    from ..connect import reader

    print_one(reader(**options), lambda aicc: aicc.get_case_type(type_id))

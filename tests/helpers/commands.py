"""All commands of the shell, loaded: the group itself only knows their names."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from aicc_async.cli.group import group
from aicc_async.cli.options import connection


def all_commands() -> dict[str, click.Command]:
    """Map every command by its whole name, those of groups too."""
    return dict(_walk(group))


def _walk(inner: click.Group, *above: str) -> Iterator[tuple[str, click.Command]]:
    context = click.Context(inner)
    for name in inner.list_commands(context):
        command = inner.get_command(context, name)
        assert command
        yield " ".join([*above, name]), command
        if isinstance(command, click.Group):
            yield from _walk(command, *above, name)


def unset_options() -> dict[str, Any]:
    """Return the options of a command that say where the service is, none of them set."""

    @click.command()
    @connection
    def command(**_: Any) -> None:
        """Do nothing."""

    return command.make_context("command", []).params

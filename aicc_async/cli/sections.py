"""The help of the whole: its many commands by what they are for."""

from __future__ import annotations

from collections.abc import Mapping

import click

SECTIONS = {
    "Case Commands": (
        *("export", "list", "get", "create", "change", "modify"),
        *("transfer", "process", "cancel", "status", "journal"),
    ),
    "More Commands of AICC": ("case-type", "statistics", "task"),
    "Commands of Q-Flow": ("enqueue", "qflow"),
    "Tools": ("probe", "report", "emulator"),
}


class Sections(click.Group):
    """A group whose help shows its commands in sections."""

    def format_commands(self, _: click.Context, formatter: click.HelpFormatter) -> None:
        """Write a section for each purpose; a command that has none stands in the last one."""
        left = dict(self.commands)
        for title, names in SECTIONS.items():
            _write(formatter, title, {name: left.pop(name) for name in names if name in left})
        _write(formatter, "Other Commands", left)


def _write(
    formatter: click.HelpFormatter, title: str, commands: Mapping[str, click.Command]
) -> None:
    if not commands:
        return
    limit = formatter.width - 6 - max(map(len, commands))  # as click reckons
    rows = [(name, command.get_short_help_str(limit)) for name, command in commands.items()]
    with formatter.section(title):
        formatter.write_dl(rows)

"""The help of the whole: its many commands by what they are for."""

from __future__ import annotations

import click

SECTIONS = {  # every command, in the order of the help
    "Case Commands": (
        *("export", "list", "get", "create", "modify"),
        *("transfer", "process", "cancel", "status", "journal"),
    ),
    "More Commands of AICC": ("case-type", "statistics", "task"),
    "Commands of Q-Flow": ("enqueue", "qflow"),
    "Tools": ("probe", "report", "emulator"),
}


class Sections(click.Group):
    """A group whose help shows its commands in sections."""

    def format_commands(self, _: click.Context, formatter: click.HelpFormatter) -> None:
        """Write a section for each purpose."""
        for title, names in SECTIONS.items():
            limit = formatter.width - 6 - max(map(len, names))  # as click reckons
            rows = [(name, self.commands[name].get_short_help_str(limit)) for name in names]
            with formatter.section(title):
                formatter.write_dl(rows)

"""The list of commands: what each is for, and which module has it.

``aicc-async --help`` imports none of them: it would take ten times as long. So the first sentence
of each command's help is here a second time, and a test proves that both are equal.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

import click

# Section → command → where it is, below ``commands``, and the first sentence of its help.
SECTIONS: dict[str, dict[str, tuple[str, str]]] = {
    "Case Commands": {
        "export": ("export:export", "Write all cases that match into OUT, and verify them."),
        "list": ("cases:list_", "Print one page of cases, one JSON object on each line."),
        "get": ("cases:get", "Print a case with its history, contact and tasks."),
        "create": ("cases:create", "Create a case, or one for every line of a file."),
        "change": (
            "change:change",
            "Change single fields of a case, and keep the others.",
        ),
        "modify": ("cases:modify", "Change fields of a case."),
        "transfer": ("cases:transfer", "Hand a case over to a user or a queue."),
        "process": ("cases:process", "Add a note to a case, or send a mail or an SMS."),
        "cancel": ("cases:cancel", "Cancel a case."),
        "status": ("cases:status", "Move a case to another flow node."),
        "watch": ("watch:watch", "Print changes of cases as they happen, as JSON lines."),
        "journal": (
            "journal:journal",
            "Look at the creates that a journal holds, and settle them.",
        ),
    },
    "More Commands of AICC": {
        "case-type": ("case_types:case_type", "Look at the kinds of cases that there are."),
        "statistics": ("statistics:statistics", "Count cases: at this moment, or day by day."),
        "task": ("tasks:task", "Create tasks, change them, look at them."),
    },
    "Commands of Q-Flow": {
        "enqueue": ("qflow:enqueue", "Put a case into a Q-Flow queue, and print it."),
        "qflow": ("qflow:qflow", "Look at a case in a Q-Flow queue, or take it out."),
    },
    "Tools": {
        "check": ("check:check", "Sign in, and tell what this account can do."),
        "probe": ("probe:probe", "Find out how a tenant behaves, and write its profile."),
        "report": ("report:report", "Show the manifest of an export as one HTML page."),
        "emulator": ("emulator:emulator", "Run a tenant on this machine until it is interrupted."),
        "docs": ("docs:docs", "Print the documentation of TOPIC, or list the topics."),
    },
}
PLACES = {name: place for each in SECTIONS.values() for name, (place, _) in each.items()}
VARIABLES = {
    "AICC_BASE_URL": "The domain, as https://…",
    "AICC_ACCESS_TOKEN": "Who signs in: an access token, or",
    "AICC_KEY_FILE": "the administrator's CSV file, or",
    "AICC_CLIENT_ID": "an id, with",
    "AICC_CLIENT_SECRET": "its secret.",
    "AICC_TIMEZONE": "The tenant's zone; Asia/Shanghai unless set.",
    "AICC_RATE_LIMIT": "At most so many requests in any second: 10, 600/60.",
    "AICC_REDIS_URL": "A Redis where processes share that limit.",
    "AICC_BUDGET": "The name under which they do; the domain unless set.",
    "AICC_TOKEN_REDIS_URL": "A Redis where processes share one token.",
    "AICC_DIALECT": "What the tenant speaks: task_detail=POST missing_codes=…",
    "AICC_PROFILE": "The file that probe writes.",
    "AICC_TELEMETRY": "otel: spans and metrics, by OpenTelemetry's providers.",
    "AICC_PROXY": "http://user:password@proxy:3128; HTTPS_PROXY unless set.",
    "AICC_CA_FILE": "A PEM file of authorities to trust, not the system's.",
    "AICC_CLIENT_CERT": "Your certificate (mTLS), in PEM, with",
    "AICC_CLIENT_KEY": "its key.",
    "AICC_HEADERS": '"Name: value" lines for every request.',
    "AICC_ALLOW_HTTP": "true takes a base URL without TLS.",
    "AICC_JOURNAL": "The journal of creates: a file, redis:// or postgresql://",
    "AICC_QFLOW_URL": "The Q-Flow server, as https://…/API",
    "AICC_QFLOW_USER": "Who signs in there, with",
    "AICC_QFLOW_PASSWORD": "the password.",
    "AICC_QFLOW_TOKEN_HEADER": "The header of the token; Authorization unless set.",
    "AICC_QFLOW_TOKEN_PREFIX": "What is before it there; Bearer unless set.",
    "AICC_QFLOW_HEADERS": 'More headers, as "Name: value" lines.',
}


class LazyGroup(click.Group):
    """A group that imports a command when it is used, and lists all of them in sections."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        # They hold the place of the commands: for the help, and for suggestions to a misspelling.
        for commands in SECTIONS.values():
            for name, (_, text) in commands.items():
                self.add_command(click.Command(name, help=text))

    def get_command(self, _: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command by its name."""
        if cmd_name not in PLACES:
            return None
        module, attribute = PLACES[cmd_name].split(":")
        command: click.Command = getattr(
            import_module(f".commands.{module}", __package__), attribute
        )
        return command

    def format_commands(self, _: click.Context, formatter: click.HelpFormatter) -> None:
        """Write a section for each purpose."""
        for title, names in SECTIONS.items():
            # The room that click leaves for three spaces on either side of the names.
            limit = formatter.width - 6 - max(map(len, names))
            rows = [(name, self.commands[name].get_short_help_str(limit)) for name in names]
            with formatter.section(title):
                formatter.write_dl(rows)

    def format_epilog(self, _: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the variables that commands read."""
        with formatter.section("Variables"):
            formatter.write_dl(list(VARIABLES.items()))

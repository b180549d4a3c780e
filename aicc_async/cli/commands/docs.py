"""The command that prints the documentation of the public packages."""

from __future__ import annotations

import ast
import sys
from difflib import get_close_matches
from importlib import import_module
from importlib.util import find_spec
from inspect import cleandoc
from pathlib import Path

import click

from ...errors import ConfigError
from ..console import echo

# Topic → the public module whose docstring has it. Some have two: what it is, and a task.
TOPICS = {
    "client": "aicc_async.client",
    "connect": "aicc_async.credentials",
    "credentials": "aicc_async.credentials",
    "dlt": "aicc_async.connectors.dlt",
    "emulator": "aicc_async.emulator",
    "errors": "aicc_async.errors",
    "events": "aicc_async.events",
    "export": "aicc_async.export",
    "journal": "aicc_async.journal",
    "models": "aicc_async.models",
    "names": "aicc_async.models",
    "otel": "aicc_async.connectors.otel",
    "postgres": "aicc_async.connectors.postgres",
    "probe": "aicc_async.probe",
    "profile": "aicc_async.settings.profile",
    "qflow": "aicc_async.qflow",
    "redis": "aicc_async.connectors.redis",
    "service": "aicc_async.client",
    "settings": "aicc_async.settings",
    "spark": "aicc_async.connectors.spark",
    "testing": "aicc_async.testing",
    "watch": "aicc_async.watch",
    "worker": "aicc_async.journal",
}


@click.command()
@click.argument("topic", required=False)
def docs(topic: str | None) -> None:
    """Print the documentation of TOPIC, or list the topics.

    \b
    Example:
      aicc-async docs errors
    """
    if topic is None:
        formatter = click.HelpFormatter()
        formatter.write_dl(_topic_lines())
        echo(formatter.getvalue().rstrip())
        return
    if topic not in TOPICS:
        [nearest] = get_close_matches(topic.lower(), TOPICS, n=1, cutoff=0)
        raise click.UsageError(
            f"TOPIC must be one of {', '.join(TOPICS)}, got {topic!r}. Did you mean {nearest!r}?"
        )
    try:
        text = cleandoc(import_module(TOPICS[topic]).__doc__ or "")
    except (ImportError, ConfigError):
        # What the extra of a connector installs is missing; reading about it needs none of that.
        text = _docstring(TOPICS[topic])
    if sys.stdout.isatty():
        click.echo_via_pager(text)
    else:
        echo(text)


def _topic_lines() -> list[tuple[str, str]]:
    """Return each topic with what it is about, or with the one that has its page."""
    lines, pages = [], dict[str, str]()
    for topic, module in TOPICS.items():
        page = pages.setdefault(module, topic)
        # Read from the source: importing all of the package for a list would take seconds.
        first_line = _docstring(module).splitlines()[0]
        lines.append((topic, first_line if page == topic else f"The page of {page}."))
    return lines


def _docstring(module: str) -> str:
    spec = find_spec(module)
    source = Path(spec.origin).read_bytes() if spec and spec.origin else b""
    return ast.get_docstring(ast.parse(source)) or ""

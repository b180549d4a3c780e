"""The command that turns a manifest into a page to look at."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ..._files import replacing
from ..._protocol.converter import loads
from ...errors import ConfigError, DecodeError
from .export import group

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
OUT = click.Path(dir_okay=False, path_type=Path)


@group.command()
@click.argument("manifest", type=FILE)
@click.option("-o", "--output", type=OUT, required=True, help="The HTML file.")
def report(manifest: Path, output: Path) -> None:
    """Show an export's MANIFEST as one HTML page: what is proven complete, and what is not.

    \b
    Example:
      aicc-async report cases.jsonl.manifest.json -o report.html
    """  # noqa: D301  (click reads the \b)
    from ...export.report.page import report_page  # noqa: PLC0415  (other commands need no jinja2)

    page = report_page(_read(manifest))
    if output.exists() and output.samefile(manifest):
        raise ConfigError(f"--output: {output} is the manifest itself")
    with replacing(output) as part:
        part.write_text(page, encoding="utf-8")
    click.echo(click.format_filename(output))


def _read(path: Path) -> dict[str, Any]:
    try:
        value = loads(path.read_bytes())
    except DecodeError:
        raise ConfigError(f"{path}: it is no JSON; {_wanted()}") from None
    except OSError as error:
        raise ConfigError(f"{path}: it can't be read: {error.strerror}") from error
    if not isinstance(value, dict) or "windows" not in value:
        raise ConfigError(f"{path}: it is no manifest; {_wanted()}")
    return value


def _wanted() -> str:
    return "the file that an export writes is needed, such as cases.jsonl.manifest.json"

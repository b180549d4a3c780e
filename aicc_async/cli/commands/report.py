"""The command that turns a manifest into a page to look at."""

from __future__ import annotations

from pathlib import Path

import click

from ..._files import replacing
from ...errors import ConfigError
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
    from ...export.manifest import load  # noqa: PLC0415  (other commands need no export)
    from ...export.report.page import report_page  # noqa: PLC0415  (other commands need no jinja2)

    exported = load(manifest)
    if exported is None:
        raise ConfigError(f"cannot read {manifest}: there is no such file")
    page = report_page(exported)
    if output.exists() and output.samefile(manifest):
        raise ConfigError(f"--output: {output} is the manifest itself")
    with replacing(output) as part:
        part.write_text(page, encoding="utf-8")
    click.echo(click.format_filename(output))

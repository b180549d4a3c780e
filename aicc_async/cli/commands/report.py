"""The command that turns a manifest into a page to look at."""

from __future__ import annotations

from pathlib import Path

import click

from ...errors import ConfigError
from ..options import INPUT_FILE, OUTPUT_FILE

EXAMPLE = "cases.jsonl.manifest.json"


@click.command()
@click.argument("manifest", type=INPUT_FILE)
@click.option("-o", "--output", type=OUTPUT_FILE, required=True, help="The HTML file.")
def report(manifest: Path, output: Path) -> None:
    """Show the manifest of an export as one HTML page.

    It shows what is proven complete, and what is not.

    \b
    Example:
      aicc-async report cases.jsonl.manifest.json -o report.html
    """
    from ..._files import replacing
    from ...export.manifest import load
    from ...export.report.page import report_page

    report = load(manifest)
    if report is None:
        raise ConfigError(f"cannot read {manifest}: there is no such file")
    page = report_page(report)
    if output.exists() and output.samefile(manifest):
        raise ConfigError(f"--output must not be the manifest itself, got {output}")
    with replacing(output) as part:
        part.write_text(page, encoding="utf-8")
    click.echo(click.format_filename(output))

"""The command that turns a manifest into a page to look at."""

from __future__ import annotations

from pathlib import Path

import click

from ...errors import ConfigError, DecodeError
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
    from ..._protocol.converter import loads
    from ...export.report.page import report_page

    wanted = f"{manifest} must be the manifest of an export, such as {EXAMPLE}"
    try:
        value = loads(manifest.read_bytes())
    except DecodeError:
        raise ConfigError(f"{wanted}, got what is not JSON") from None
    except OSError as error:
        raise ConfigError(f"cannot read {manifest}: {error.strerror}") from error
    if not isinstance(value, dict) or "windows" not in value:
        raise ConfigError(f"{wanted}, got other JSON")
    page = report_page(value)
    if output.exists() and output.samefile(manifest):
        raise ConfigError(f"--output must not be the manifest itself, got {output}")
    with replacing(output) as part:
        part.write_text(page, encoding="utf-8")
    click.echo(click.format_filename(output))

"""`ilot diagnostics` and `ilot logs`: data for support."""

from __future__ import annotations

import base64
from pathlib import Path

import click

from hub.cli import output
from hub.cli.hub_client import ask
from hub.core.errors import HubError
from hub.core.system_errors import file_not_written
from hub.core.text import phrase

WAIT_S = 60.0


@click.command()
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("ilot-diagnostics.zip"),
    show_default=True,
    help="The archive to write.",
)
@click.option("--preview", is_flag=True, help="Print what would be in it, and write nothing.")
@output.with_hub
def diagnostics(out: Path, preview: bool, config: Path, state_dir: Path | None, json: bool) -> None:
    """Write one archive for whoever helps: versions, status, devices, log, configuration.

    It names nobody and holds no secret and no reading: devices, places, people and addresses are replaced by numbers
    that mean nothing outside of it. Look at it with --preview before you send it.
    """
    if preview:
        files = ask(config, state_dir, "diagnostics", timeout=WAIT_S, preview=True)["files"]
        if json:
            output.data(files)
        else:
            for name, text in files.items():
                click.echo(f"--- {name}\n{text}")
        return
    data = base64.b64decode(ask(config, state_dir, "diagnostics", timeout=WAIT_S)["archive"])
    try:
        out.write_bytes(data)
    except OSError as error:
        raise HubError(file_not_written(out, error)) from error
    if json:
        output.data({"file": str(out), "bytes": len(data)})
    else:
        output.say(
            phrase(
                "diagnostics-written",
                "{file}: {size}; `ilot diagnostics --preview` shows what is in it",
                file=out,
                size=output.size(len(data)),
            )
        )


@click.command()
@click.option("--source", default="", help="Only of this part or plugin, as the log names it.")
@click.option("--level", type=click.Choice(["debug", "info", "warning", "error"]), default="info", show_default=True)
@click.option("--limit", type=click.IntRange(1, 500), default=100, show_default=True, help="The most lines.")
@output.with_hub
def logs(source: str, level: str, limit: int, config: Path, state_dir: Path | None, json: bool) -> None:
    """The last log lines of the running hub, oldest first; it keeps 500 in memory."""
    answer = ask(config, state_dir, "logs", source=source, level=level, limit=limit)
    if json:
        output.data(answer)
        return
    for line in reversed(answer["lines"]):
        text = output.translated(line["text"])
        click.echo(f"{output.moment(line['at'])} {line['level']:7} {line['source']}: {text}")

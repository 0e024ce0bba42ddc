"""`ilot backend demo-district`, which `ilot demo district` calls: a simulated town with its hubs and people."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import signal
import tempfile
from pathlib import Path

import click

from backend.cli.console import JSON, handles_errors, row, say, show, translated
from hub.core.text import phrase


@click.command("demo-district", hidden=True)
@click.option("--seconds", type=float, default=None, help="End by itself after this long.  [default: until Ctrl-C]")
@click.option("--keep", is_flag=True, help="Keep the town's directory (keys, database, log) afterwards.")
@JSON
@handles_errors
def demo_district(seconds: float | None, keep: bool, as_json: bool) -> None:
    """Run a simulated town: a backend, twenty hubs with their sites on a map, alerts that happen, a crew that answers.

    Prints the address of its pages and an account of each role."""
    root = Path(tempfile.mkdtemp(prefix="ilot-district-"))
    try:
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(_run(root, seconds, as_json))
    finally:
        if keep:
            say(phrase("demo-district-kept", "kept: {directory}", directory=root))
        else:
            shutil.rmtree(root, ignore_errors=True)


async def _run(root: Path, seconds: float | None, as_json: bool) -> None:
    from backend.demo.district import running

    ended = asyncio.Event()
    for one in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(one, ended.set)
    async with running(root, say) as town:
        facts = {
            "url": town.url, "directory": str(town.directory), "hubs": len(town.hubs),
            "accounts": [{"name": one.name, "role": one.role.value, "password": one.password} for one in town.accounts],
        }  # fmt: skip
        heads = (phrase("demo-role", "role"), phrase("demo-account", "account"), phrase("demo-password", "password"))
        lines = [row(one.role.value, one.name, one.password) for one in town.accounts]
        show(facts, as_json, [f"{town.url}/", row(*map(translated, heads)), *lines])
        say(
            phrase(
                "demo-district-ready",
                "The town is at {url}, what the public sees at {public}. The browser warns you: its certificate is of"
                " the town's own authority. The directory for commands is {directory}. Ctrl-C ends it.",
                url=f"{town.url}/",
                public=f"{town.url}/data",
                directory=town.directory,
            )
        )
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await ended.wait()

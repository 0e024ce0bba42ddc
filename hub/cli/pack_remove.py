"""`ilot pack remove`: a pack that was installed goes, once no device is read by it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from hub.cli import output
from hub.cli.hub_client import ask
from hub.core.errors import HubError, NotReady
from hub.core.text import phrase


@click.command()
@click.argument("name")
@output.with_hub
def remove(name: str, config: Path, state_dir: Path | None, json: bool) -> None:
    """Remove the pack NAME, all its versions. One that ships with the hub stays, and is used again.

    Its devices go first, or name another pack. An older version is not installed afterwards.
    """
    from hub.cli.pack import library_of

    library = library_of(config, state_dir)
    if (count := _devices_of(name, config, state_dir)) and name not in _shipped():
        raise HubError(
            phrase(
                "pack-in-use",
                "{count} [device is|devices are] read by pack {pack}: take them out first, or give them another pack",
                count=count,
                pack=name,
            )
        )
    version = library.remove(name)
    running = True
    try:
        ask(config, state_dir, "packs.reload", timeout=600.0, pack=name)
    except NotReady:
        running = False
    if json:
        output.data({"pack": name, "version": version, "running": running})
        return
    output.echo(phrase("pack-removed", "{pack} {version} is removed", pack=name, version=version))
    if name in _shipped():
        output.say(phrase("pack-shipped-again", "the one that ships with the hub is used again"))


def _shipped() -> list[str]:
    from hub.devices.packs.library import Library

    return Library().names()


def _devices_of(name: str, config: Path, state_dir: Path | None) -> int:
    """Return how many devices name a pack: of the running hub, which knows the adopted ones too, else of the file."""
    try:
        listed = ask(config, state_dir, "pack.list")["packs"]
    except NotReady:
        from hub.config.source import read_all

        data: Any = read_all(config).data
        devices = data.get("devices") if isinstance(data, dict) else None
        known = devices.values() if isinstance(devices, dict) else ()
        return sum(isinstance(one, dict) and one.get("pack") == name for one in known)
    return int(next((one["devices"] for one in listed if one["pack"] == name), 0))

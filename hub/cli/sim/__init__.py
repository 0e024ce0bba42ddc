"""`ilot sim`: devices that are not there, for a hub that is.

script     a device pack's vectors → what is to be played
stage      the integration's player, and what it must be told
lines      what a configuration must hold for the devices to be heard
expecting  what the hub must show, and whether it does
play       the loop: who says what when, faults, progress
scratch    a hub of its own to play to
"""

from __future__ import annotations

import contextlib
import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hub.cli import output
from hub.config.values import duration
from hub.core.text import phrase, reason_of

if TYPE_CHECKING:
    from hub.plugin_host.registry import Plugin


@click.command(
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False, "help_option_names": []}
)
@click.option("--pack", metavar="NAME", help="Play the vectors of this device pack, or of the pack in this folder.")
@click.option("--demo", is_flag=True, help="To a hub and a backend that are made for it, and removed afterwards.")
@click.option("--expect", is_flag=True, help="Compare what the running hub shows with the vectors; exit code 6.")
@click.option(
    "--devices", type=click.IntRange(1, 1000), default=1, show_default=True, help="How many devices of this kind."
)
@click.option("--rounds", type=click.IntRange(1), help="How often each says them all. By default 1 with --expect.")
@click.option("--interval", metavar="DURATION", help="Time between two messages; by default the pack's period.")
@click.option(
    "--speed", type=click.FloatRange(0.01, 100_000), default=1.0, show_default=True, help="How much faster time runs."
)
@click.option(
    "--fault", "faults", multiple=True, metavar="KIND:SHARE",
    help="silence, repeat, bad-mic, drop or wrong-payload, in a share of the messages: drop:0.1; more than once.",
)  # fmt: skip
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Other devices, other faults.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Where a device that is asked listens; 0: any.")
@click.option(
    "--within", type=click.FloatRange(1, 3600), default=60.0, show_default=True,
    help="Seconds in which the hub must show a message.",
)  # fmt: skip
@click.argument("protocol", required=False)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@output.with_hub
def sim(
    pack: str | None,
    demo: bool,
    expect: bool,
    devices: int,
    rounds: int | None,
    interval: str | None,
    speed: float,
    faults: tuple[str, ...],
    seed: int,
    port: int,
    within: float,
    protocol: str | None,
    arguments: tuple[str, ...],
    config: Path,
    state_dir: Path | None,
    json: bool,
) -> None:
    """Simulate devices of PROTOCOL (for instance "ble" or "modbus"), until SIGTERM; or with --pack what you sell.

    ARGUMENTS are the simulator's own; `ilot sim PROTOCOL --help` lists them. With --pack the vectors of a device pack
    are played over its own protocol. It prints what the hub's configuration needs, and what the hub must show.
    """
    if pack is None or protocol:
        _protocol(pack, protocol or "--help", arguments)
        return
    from hub.cli.sim.play import Plan, run

    plan = Plan(
        pack=pack,
        demo=demo,
        expect=expect or demo,
        devices=devices,
        rounds=rounds or (1 if expect or demo else None),
        interval_s=_seconds(interval),
        speed=speed,
        faults=dict(map(_fault, faults)),
        seed=seed,
        port=port,
        within_s=within,
        json=json,
    )
    if not run(plan, config, state_dir):
        raise click.exceptions.Exit(6)


def _seconds(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        return duration(text).total_seconds()
    except ValueError as error:
        raise click.UsageError(
            phrase("option-interval-wrong", "--interval: {reason}", reason=reason_of(error))
        ) from None


def _fault(text: str) -> tuple[str, float]:
    from hub.sdk.simulation import FAULTS

    kind, _, share = text.partition(":")
    try:
        part = float(share)
    except ValueError:
        part = -1.0
    if kind not in FAULTS or not 0 < part <= 1:
        raise click.UsageError(
            phrase(
                "option-fault-wrong",
                "--fault {text}: expected one of {kinds}, a colon, and a share of more than 0 and at most 1",
                text=text,
                kinds=list(FAULTS),
            )
        )
    return kind, part


def _protocol(pack: str | None, protocol: str, arguments: tuple[str, ...]) -> None:
    """Run the simulator of a protocol. Raises UsageError without one."""
    import runpy

    from hub.cli.radio import everything, plugins_of

    registry = everything()
    if pack is not None:
        raise click.UsageError(
            phrase("sim-pack-alone", "--pack takes no protocol: {word!r} is no option of it", word=protocol)
        )
    if output.is_help_request(protocol):
        output.help_with(name for name, plugin in sorted(registry.plugins.items()) if _simulator(plugin))
    for plugin in plugins_of(protocol, registry):
        if module := beside(plugin, "sim", named=True):
            sys.argv = [f"ilot sim {protocol}", *arguments]
            runpy.run_module(module, run_name="__main__")
            return
    there = sorted(name for name, plugin in registry.plugins.items() if _simulator(plugin))
    raise click.UsageError(
        phrase(
            "nothing-simulates",
            "nothing here simulates {protocol!r}; it can be {protocols}",
            protocol=protocol,
            protocols=there,
        )
    )


def _simulator(plugin: Plugin) -> str:
    """Return the module that simulates its devices, or ""."""
    return beside(plugin, "sim")


def beside(plugin: Plugin, name: str, *, named: bool = False) -> str:
    """Return the module of this name in the package of a plugin, or in the one around it; "" without one. Of a plugin
    that this distribution does not ship only where a person `named` it: looking for it runs its code."""
    if not (plugin.shipped or named):
        return ""
    package = plugin.entry.value.partition(":")[0]
    for holder in (package, package.rpartition(".")[0]):
        with contextlib.suppress(ModuleNotFoundError, ValueError):  # the plugin is a module, not a package
            if holder and importlib.util.find_spec(f"{holder}.{name}") is not None:
                return f"{holder}.{name}"
    return ""

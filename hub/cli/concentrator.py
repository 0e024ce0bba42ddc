"""`ilot radio`: reception of devices, and the LoRa concentrator of this machine."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from hub.cli import output
from hub.cli.health import radio as show
from hub.core.errors import NotReady
from hub.core.text import phrase


class _Radio(output.Group):
    """Group whose command `show` is meant where none is named: `ilot radio`, `ilot radio DEVICE`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args or (args[0] not in self.commands and args[0] not in ("-h", "--help")):
            args = ["show", *args]
        return super().parse_args(ctx, args)


@click.group(cls=_Radio)
def radio() -> None:
    """Show how well devices are heard (also without `show`), and set up the LoRa concentrator of this machine."""


radio.add_command(show, "show")


@radio.command()
@click.option("--model", default="", help="The concentrator, rak5146 for instance; by default what is detected.")
@click.option("--eui", default="", help="Its EUI, 16 digits; by default made of the network card's address.")
@click.option("--device", default="", help="Its device; by default /dev/spidev0.0 or the USB port that was found.")
@click.option("--reset", type=int, help="GPIO of its reset line, where it is another than the model's.")
@click.option("--power", type=int, help="GPIO of its power line, where it is another than the model's.")
@click.option("--where", default="FR", show_default=True, help="FR, or the code of a territory overseas.")
@click.option("--region", default="", help="The frequency plan, where WHERE does not say it. This hub speaks EU868.")
@click.option("--antenna-gain", default="", help="Antenna gain minus cable loss, in dB; by default what it was, or 0.")
@click.option("--dry-run", is_flag=True, help="Show what would be written, and write nothing.")
@click.option("-y", "--yes", is_flag=True, help="Ask nothing: what is not given is what was detected.")
@output.with_hub
def setup(config: Path, state_dir: Path | None, json: bool, yes: bool, dry_run: bool, **given: Any) -> None:
    """Set up the LoRa concentrator of this machine: its forwarder, and its gateway in the configuration.

    Detects what can be detected and asks for the rest. The forwarder starts anew by itself."""
    from hub.operations.concentrator import plan as plans
    from hub.operations.concentrator import service, watch
    from hub.plugin_host.opening import installed_for

    machine = watch.Machine()
    asks = not (yes or json) and sys.stdin.isatty()
    proposed = service.proposal(machine.look())
    chosen = _chosen(given, proposed, asks)
    made = plans.make(service.read_choice(chosen), service.endpoint(installed_for(config, state_dir).open(config)))
    if not json:
        _print(made)
    if dry_run or (asks and not output.confirm(phrase("radio-write-this", "Write this?"), err=True)):
        if json:
            output.data({**made.shown(), "state": "planned"})
        else:
            output.say(phrase("change-planned", "nothing was changed"))
        return
    answer = _carried_out(chosen, made, config, state_dir, machine.plan)
    if json:
        output.data(answer)
    else:
        output.say(phrase("radio-written", "written; `ilot doctor radio` says how it goes on"))
    if answer["state"] == "taken-back":
        raise click.exceptions.Exit(6)


def _chosen(given: dict[str, Any], proposed: dict[str, Any], asks: bool) -> dict[str, Any]:
    """Return the choices, completed by detection and by questions."""
    chosen = dict(given)
    chosen["model"] = given["model"] or proposed["model"]
    if asks and not given["model"]:
        chosen["model"] = click.prompt(
            output.translated(phrase("radio-which-model", "Model")),
            type=click.Choice(_models(proposed)),
            default=chosen["model"] or None,
            err=True,
        )
    first = proposed["euis"][0]["eui"] if proposed["euis"] else ""
    chosen["eui"] = given["eui"] or first
    if asks and not given["eui"]:
        chosen["eui"] = click.prompt(
            output.translated(phrase("radio-which-eui", "EUI (of the label, or made of the network card)")),
            default=first or None,
            err=True,
        )
    if not chosen["model"]:
        raise click.UsageError(
            phrase(
                "radio-model-missing",
                "this machine does not say which concentrator it has: --model, one of {models}",
                models=_models(proposed),
            )
        )
    if not chosen["device"] and chosen["model"] == proposed["model"]:
        chosen["device"] = proposed["device"]
    return chosen


def _models(proposed: dict[str, Any]) -> list[str]:
    from hub.operations.concentrator.models import MODELS

    return list(proposed["possible"]) or sorted(MODELS)


def _print(made: Any) -> None:
    shown = made.shown()
    output.table(
        ("model", "eui", "device", "lines"),
        [
            (
                made.model.name,
                made.eui,
                shown["device"],
                " ".join(f"{name}=GPIO{pin}" for name, pin in shown["lines"].items()),
            )
        ],
    )
    for source in made.model.sources:
        output.say(phrase("radio-figures-from", "figures from {source}", source=source))
    for note in made.notes:
        output.say(note)
    for name, text in shown["files"].items():
        output.say(f"# {name}")
        click.echo(text, nl=not text.endswith("\n"))


def _carried_out(chosen: dict[str, Any], made: Any, config: Path, state_dir: Path | None, plan: Path) -> dict[str, Any]:
    """Let the running hub do it, or else change the files."""
    from hub.cli.config.hub_calls import Target
    from hub.operations.concentrator import store

    to = Target(config, state_dir, json=False)
    try:
        answer: dict[str, Any] = to.running("concentrator.setup", **chosen)
    except NotReady:
        changed: dict[str, Any] = {"state": "same"}
        if made.edits:
            changed = to.ask("config.apply", edits=made.edits, reason=f"concentrator {made.eui}")
        store.write(made.document, plan)
        return {**made.shown(), "state": changed["state"]}
    return answer


@radio.command(hidden=True)
def forwarder() -> None:
    """Power and reset the concentrator, then become its forwarder; ilot-radio.service runs it."""
    from hub.operations.concentrator import gpio, launch, store

    launch.launch(store.PLAN, gpio.Lines)

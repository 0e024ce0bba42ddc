"""`ilot doctor radio`: the radios of this machine, and the fault of its LoRa concentrator."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hub.cli import output
from hub.cli.doctor.printing import print_findings
from hub.cli.hub_client import ask
from hub.core.errors import HubError
from hub.core.text import phrase
from hub.operations.doctor.findings import CONFIGURATION, RADIO, WRONG, Finding

if TYPE_CHECKING:
    from hub.operations.concentrator.watch import Heard, Machine


@click.command()
@output.with_hub
def radio(config: Path, state_dir: Path | None, json: bool) -> None:
    """Look for the fault of this machine's LoRa concentrator, from its bus to the hub; name the other radios."""
    from hub.operations.concentrator.watch import Machine

    print_findings(list(look(Machine(), config, state_dir)), json=json)


def look(machine: Machine, config: Path, state_dir: Path | None) -> Iterator[Finding]:
    """Judge the radios of a machine."""
    from hub.operations.concentrator.watch import judge

    try:
        heard = _heard(machine, config, state_dir)
    except HubError:
        heard = None
        yield Finding(
            CONFIGURATION,
            WRONG,
            phrase("configuration-wrong", "it is not right"),
            phrase("check-shows-lines", "`ilot check` shows each line"),
        )
    for one in judge(machine, heard):
        yield Finding(RADIO, one.state, one.says, one.remedy)


def concentrator(machine: Machine | None = None) -> Iterator[Finding]:
    """Judge the concentrator alone, where one is set up; `ilot doctor` asks the hub itself what it hears."""
    from hub.operations.concentrator import watch

    here = machine or watch.Machine()
    if not os.path.exists(here.plan):  # of a folder that others may not enter, too
        return
    for one in watch.judge(here):
        if one.code != "no-hub":
            yield Finding(RADIO, one.state, one.says, one.remedy)


def _heard(machine: Machine, config: Path, state_dir: Path | None) -> Heard | None:
    """Return what a running hub hears; None without one."""
    from hub.operations.concentrator import service
    from hub.plugin_host.opening import installed_for

    try:
        plan = machine.read_plan()
    except HubError:
        return None  # judged by itself
    if plan is None:
        return None
    try:
        gateways = ask(config, state_dir, "radio")["gateways"]
    except HubError:
        return None
    loaded = installed_for(config, state_dir).open(config)
    return service.heard_of(plan, service.endpoint(loaded), gateways, service.silence(loaded))

"""`ilot doctor`: whether a hub in service is right, and what is to be done where it is not.

As root it first looks at what only root sees: owner and rights of the files, the holders of serial ports, the battery
of the clock. Then it becomes the user of the service for good, and looks at the rest as the hub would: what root may
open tells nothing.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click
from click.core import ParameterSource

from hub.cli import output
from hub.cli.doctor.link_check import link
from hub.cli.doctor.parallel import Begun, Task
from hub.cli.doctor.printing import print_findings, print_lines
from hub.cli.doctor.radio_check import concentrator, radio
from hub.cli.hub_client import ask
from hub.core.errors import HubError
from hub.core.text import phrase, reason_of
from hub.operations.doctor import board, file_owners, serial_ports, service, storage, timekeeping
from hub.operations.doctor.findings import (
    BLUEZ,
    CONFIGURATION,
    ENROLMENT,
    FILES,
    HUB,
    ISOLATION,
    LINK,
    NETWORK,
    NOTE,
    OK,
    PROCESS,
    SERVICE,
    WRITING,
    WRONG,
    Finding,
)
from hub.operations.doctor.machine import MOST_TABLE, Machine, whole_number

if TYPE_CHECKING:
    from hub.config.load import Loaded

TIMEOUT_S = 2.0
"""For each answer of a backend or a device."""
HUB_S, DEADLINE_S = 1.5, 2.5
"""For the running hub, and for everything else that may hang, which begins beside it: the whole takes 5 s at most."""


class Place(NamedTuple):
    """Subject of an examination: the installed service, the configuration file and the state directory."""

    unit: service.Unit | None
    config: Path
    state: Path


class Seen(NamedTuple):
    """Findings of root, before it became the hub's user."""

    findings: list[Finding]
    held: serial_ports.Holders
    by_root: bool
    hub: set[int]


@click.group(cls=output.Group, invoke_without_command=True)
@click.pass_context
@output.with_config
@output.with_state
@click.option("--probe/--no-probe", default=True, help="Also ask devices and buses whether they answer.")
@click.option("--fix", is_flag=True, help="As root: mend owner and rights of files, remove unfinished ones.")
@click.option("--lines", is_flag=True, help="Print one JSON object a line for each finding, as it is found.")
@output.as_json
def doctor(
    ctx: click.Context, config: Path, state_dir: Path | None, probe: bool, fix: bool, lines: bool, json: bool
) -> None:
    """Look at this machine, the service, the configuration, the link and the running hub; say what to do.

    The service's own user and configuration file are found and named. As root (`sudo ilot doctor`) it looks as that
    user would, and sees who holds a serial port. Exit code 0: all is right; 9: something is to be seen to; 6: something
    is wrong.
    """
    if ctx.invoked_subcommand is not None:
        ctx.default_map = {ctx.invoked_subcommand: {"config": config, "state_dir": state_dir, "json": json}}
        return
    machine = Machine()
    given = ctx.get_parameter_source("config") is not ParameterSource.DEFAULT
    found = examine(machine, config if given else None, config, state_dir, probe=probe, fix=fix)
    print_findings(print_lines(found) if lines else list(found), json=json, silent=lines)


doctor.add_command(link)
doctor.add_command(radio)


def examine(
    machine: Machine, given: Path | None, default: Path, state_dir: Path | None, *, probe: bool, fix: bool = False
) -> Iterator[Finding]:
    """Yield all findings, each as soon as it is there. `given`: the configuration file that was named, else that of the
    service, else `default`. As root this process is the hub's user afterwards."""
    try:
        place = _place(machine, given, default, state_dir)
    except HubError as error:  # the file does not tell where the state lies
        yield from service.look(machine, service.installed(machine))
        yield Finding(CONFIGURATION, WRONG, reason_of(error), phrase("name-state-dir", "give --state-dir"))
        return
    seen = _privileged(machine, place, fix=fix)
    yield from seen.findings
    yield from _as_hub(machine, place, seen, probe=probe)


def _place(machine: Machine, given: Path | None, default: Path, state_dir: Path | None) -> Place:
    from hub.config.state_dir import state_of

    unit = service.installed(machine)
    own = unit is not None and given is None and bool(unit.config)
    config = given or (Path(unit.config) if unit is not None and own else default)
    if own and state_dir is None and unit is not None and unit.state:
        return Place(unit, config, Path(unit.state))
    state = state_of(config, state_dir)
    same = unit is not None and (str(config), str(state)) == (unit.config, unit.state)  # named by the hub itself
    return Place(unit if given is None or same else None, config, state)


def _privileged(machine: Machine, place: Place, *, fix: bool) -> Seen:
    """Look at what only root sees, then become the hub's user; as another user look at what that one sees."""
    findings = list(service.look(machine, place.unit))
    kept = timekeeping.synchronised(machine)
    findings += [*_software(), *board.look(machine), *timekeeping.look(machine, kept)]
    root = os.geteuid() == 0
    held = serial_ports.holders(machine)
    hub = _processes(machine, place.state)
    user = service.user_of(place.unit) if place.unit is not None else None
    if root and place.unit is not None and user is None:
        findings.append(
            Finding(
                SERVICE,
                WRONG,
                phrase("user-missing", "this machine has no user {user}", user=place.unit.user),
                phrase("make-the-user", "`systemd-sysusers`, or `apt install --reinstall ilot`"),
            )
        )
    if root and user is not None:
        if place.state.is_dir():
            findings += file_owners.look(place.state, place.config, user, fix=fix)
        _become(user)
    elif user is not None and os.geteuid() != user.uid:
        findings.append(
            Finding(
                FILES,
                NOTE,
                phrase("not-as-hub", "looked at as this user, not as {user}", user=user.name),
                phrase("call-as-root", "`sudo ilot doctor`"),
            )
        )
    elif fix:
        findings.append(
            Finding(
                FILES,
                NOTE,
                phrase("nothing-fixed", "--fix mends files of an installed service, as root"),
                phrase("call-fix-as-root", "`sudo ilot doctor --fix`"),
            )
        )
    return Seen([*findings, *_network(machine), *concentrator()], held, root, hub)


def _become(user: service.User) -> None:
    os.setgroups(sorted(user.groups))
    os.setresgid(user.gid, user.gid, user.gid)
    os.setresuid(user.uid, user.uid, user.uid)
    os.environ.update(HOME="/", USER=user.name, LOGNAME=user.name)


def _processes(machine: Machine, state: Path) -> set[int]:
    """Return the processes of the hub: those of the service's control group, and who holds the state directory."""
    said = machine.text(f"/sys/fs/cgroup/system.slice/{service.UNIT}/cgroup.procs", MOST_TABLE)
    words = [*said.split(), machine.word(state / "lock")]
    return {number for word in words if (number := whole_number(word)) is not None}


def _software() -> Iterator[Finding]:
    import ssl

    yield Finding("python", OK, sys.version.split()[0])
    hybrid = ssl.OPENSSL_VERSION_INFO >= (3, 5)
    yield Finding(
        "TLS",
        OK if hybrid else NOTE,
        ssl.OPENSSL_VERSION,
        ""
        if hybrid
        else phrase(
            "openssl-too-old",
            "without OpenSSL 3.5 the link has no post-quantum key exchange; readings are sealed with one",
        ),
    )


def _network(machine: Machine) -> Iterator[Finding]:
    """Check whether this machine forwards packets between networks. The hub never does, the kernel may."""
    switches = ("net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding")
    on = [name.replace("/", ".") for name in switches if machine.word(f"/proc/sys/{name}") not in ("", "0")]
    cards = [one.name for one in machine.names("/sys/class/net/*") if (one / "device").exists()]
    if not on:
        yield Finding(
            NETWORK, OK, phrase("packets-not-forwarded", "this machine passes no packet on from one network to another")
        )
        return
    yield Finding(
        NETWORK,
        WRONG if len(cards) > 1 else NOTE,
        phrase(
            "packets-forwarded",
            "this machine passes packets on between its networks ({switches})",
            switches=[f"{name} = 1" for name in on],
        ),
        phrase(
            "forwarding-to-switch-off",
            "between the building's network and the office's nothing may pass: sysctl -w {switch}=0, and in "
            "/etc/sysctl.d",
            switch=on[0],
        ),
    )


def _as_hub(machine: Machine, place: Place, seen: Seen, *, probe: bool) -> Iterator[Finding]:
    """Look at the rest, as the user that this process is now."""
    from hub.cli.doctor import configuration, identity, isolation_check
    from hub.core.process_hardening import harden

    open_still = harden()  # before any key is read
    status: dict[str, Any] = {}
    writing = Begun({WRITING: lambda: [storage.written(place.state)]})
    hub = Begun({HUB: partial(_hub, place, status)})
    for sentence in open_still:
        yield Finding(PROCESS, NOTE, sentence, phrase("hub-runs-anyway", "the hub runs all the same"))
    if not open_still:
        yield Finding(PROCESS, OK, phrase("no-core-dumps", "no core dumps, no tracing, no swap of keys"))
    yield from identity.look(place.state)
    opened = configuration.open_configuration(place.config, place.state)
    tasks: dict[str, Task] = {LINK: partial(_link, place, opened.loaded)}
    if machine.here:
        tasks[ISOLATION] = partial(isolation_check.look, machine, opened)
    ports: list[Finding] = []
    if opened.loaded is not None:
        zones = {site.timezone for site in opened.loaded.config.sites.values()}
        named = configuration.ports_of(opened.loaded)
        ports = [
            timekeeping.look_at_zone(machine, zones),
            *serial_ports.look(named, seen.held, seen.hub, all_seen=seen.by_root),
        ]
        if configuration.uses_bluez(opened.loaded):
            from hub.operations.doctor import bluez

            tasks[BLUEZ] = partial(bluez.look, machine)
    ways = Begun(tasks)
    said = hub.findings(HUB_S)
    running = {one["name"]: one for one in status.get("plugins", ())}
    asked = Begun({CONFIGURATION: partial(configuration.look_at_integrations, opened, running, probe, TIMEOUT_S)})
    yield from [*opened.findings, *said, *storage.look(machine, place.state, _now()), *ports]
    for begun, seconds in ((writing, DEADLINE_S), (ways, DEADLINE_S), (asked, TIMEOUT_S + 0.2)):
        yield from begun.findings(seconds)


def _now() -> float:
    from hub.core.clock import SystemClock

    return SystemClock().now()


def _hub(place: Place, status: dict[str, Any]) -> Iterator[Finding]:
    """Yield what the running hub says of itself, and keep its status in `status`."""
    from hub.operations.doctor import running
    from hub.rpc.control_socket import CallRefused

    try:
        status.update(ask(place.config, place.state, "status", timeout=HUB_S, values=False))
        gateways = ask(place.config, place.state, "radio", timeout=HUB_S)
    except CallRefused as error:  # it runs, and waits: for its owner, or for a disk. Its sentence says what to do
        yield Finding(HUB, WRONG, reason_of(error))
        return
    except HubError as error:
        remedy = phrase("start-or-log", "`systemctl start ilot`; `journalctl -u ilot -n 50` says why it does not run")
        yield Finding(HUB, WRONG, reason_of(error), remedy)
        return
    yield from running.look(status)
    yield from running.radios(gateways)


def _link(place: Place, loaded: Loaded | None) -> Iterator[Finding]:
    from hub.cli.doctor.link_check import look

    said = (ENROLMENT, CONFIGURATION)  # told already
    return (found for found in look(place.config, place.state, TIMEOUT_S, loaded) if found.what not in said)

"""Whether a plugin that is not shipped could run here in a process of its own, confined: said with what is missing."""

from __future__ import annotations

import asyncio
import os
import platform
import socket
from collections.abc import Iterator
from typing import TYPE_CHECKING

from hub.core.errors import HubError, PluginError
from hub.core.text import Phrase, phrase, reason_of
from hub.operations.doctor.findings import ISOLATION, NOTE, OK, WRONG, Finding
from hub.operations.doctor.machine import Machine

if TYPE_CHECKING:
    from hub.cli.doctor.configuration import Opened

NAMESPACES = ("cgroup", "ipc", "mnt", "net", "pid", "uts")
_INSTALLED = "/usr/lib/systemd/system/ilot-plugins.socket"


def look(machine: Machine, opened: Opened) -> Iterator[Finding]:
    """Yield one finding. Where a plugin of the configuration needs it, what is missing is wrong; else it is only
    told."""
    from hub.plugin_host.isolation import by_starter

    names = list(_needing(opened))
    lacks, remedy = _machine(machine)
    if not lacks and not machine.path(by_starter.SOCKET).exists():
        lacks, remedy = _unit(machine)
    if not lacks and not os.access(by_starter.SOCKET, os.W_OK, effective_ids=True):
        said = phrase("isolation-not-tried", "not tried: only the hub's user may ask for the process of a plugin")
        yield Finding(ISOLATION, NOTE if names else OK, said, phrase("call-as-root", "`sudo ilot doctor`"))
        return
    if not lacks:
        lacks, remedy = _trial()
    if not lacks:
        yield Finding(ISOLATION, OK, _works(machine))
    elif names:
        said = phrase(
            "isolation-impossible",
            "{names} cannot start: a plugin that is not part of this distribution runs only confined, and {reason:l}",
            names=names,
            reason=lacks,
        )
        yield Finding(ISOLATION, WRONG, said, remedy)
    else:
        said = phrase(
            "isolation-impossible-unused",
            "no plugin of somebody else is configured; none could start here, as {reason:l}",
            reason=lacks,
        )
        yield Finding(ISOLATION, OK, said)


def _needing(opened: Opened) -> Iterator[str]:
    """Yield the instances that run only where plugins are confined."""
    from hub.plugin_host.plugins import runs_apart

    if opened.loaded is None or opened.registry is None:
        return
    for one in opened.loaded.integrations:
        plugin = opened.registry.plugins.get(one.type)
        if one.enabled and plugin is not None and not plugin.shipped and runs_apart(plugin, one.isolation):
            yield one.name


def _machine(machine: Machine) -> tuple[Phrase | str, Phrase | str]:
    """Return what the machine itself lacks and what is to be done, "" for nothing."""
    from hub.sdk import seccomp

    if not seccomp.supported():
        return (
            phrase(
                "isolation-machine",
                "it is confined only by Linux on x86-64 or ARM64, and this is {machine}",
                machine=platform.machine(),
            ),
            phrase("isolation-other-machine", "run the hub on such a machine, or leave the plugin out"),
        )
    missing = [name for name in NAMESPACES if not machine.path(f"/proc/self/ns/{name}").exists()]
    if not machine.path("/proc/sys/kernel/seccomp").exists():
        missing.append("seccomp")
    if missing:
        return (
            phrase("isolation-kernel", "the kernel of this machine lacks {missing}", missing=missing),
            phrase("isolation-other-kernel", "use the kernel of Debian or Raspberry Pi OS, or leave the plugin out"),
        )
    return "", ""


def _unit(machine: Machine) -> tuple[Phrase, Phrase]:
    if machine.path(_INSTALLED).exists():
        return (
            phrase("isolation-unit-off", "ilot-plugins.socket is not active"),
            phrase("isolation-enable-unit", "`systemctl enable --now ilot-plugins.socket`"),
        )
    return (
        phrase("isolation-unit-missing", "the units ilot-plugins.socket and ilot-plugins.service are not installed"),
        phrase("isolation-install-package", "install the package ilot, or both units of deploy/units"),
    )


def _trial() -> tuple[Phrase | str, Phrase | str]:
    """Have a process started and killed: it has every limit before the first line of Python is run."""
    from hub.plugin_host.isolation.launch import Spec, import_path, launched

    async def start() -> None:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            heard, errors = os.pipe()
            try:
                async with launched(Spec("doctor", "doctor", import_path(), own_user=True), theirs, errors):
                    pass
            finally:
                os.close(heard)
                os.close(errors)

    try:
        asyncio.run(start())
    except PluginError as error:
        return reason_of(error), phrase("isolation-look-at-unit", "`journalctl -u ilot-plugins -n 50` says more")
    except HubError as error:
        return reason_of(error), phrase("isolation-restart-unit", "`systemctl restart ilot-plugins.socket`")
    return "", ""


def _works(machine: Machine) -> Phrase:
    """Return what a plugin gets here. A control group is told, as where it is missing memory has one bound less."""
    if "memory" in machine.word("/sys/fs/cgroup/cgroup.controllers").split():
        return phrase(
            "isolation-works",
            "each gets a user, namespaces, a filter of system calls and a control group of its own",
        )
    return phrase(
        "isolation-works-without-groups",
        "each gets a user, namespaces and a filter of system calls of its own; there are no control groups for memory "
        "here, so its address space alone is bounded",
    )

"""The hub's own unit under a real systemd, before and after its enrolment: Type=notify and the watchdog."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from .machine import NATIVE, ROOT, Machine, booted, copy_of, needs

pytestmark = pytest.mark.long("a Debian of its own is fetched and booted: some minutes")

LAUNCHERS = {
    "ilot": f'#!/bin/sh\nexec {ROOT}/.venv/bin/python -m hub "$@"\n',
    "ilot-backend": f'#!/bin/sh\nexec {ROOT}/.venv/bin/python -m hub backend "$@"\n',
}
WATCHED = "[Service]\nWatchdogSec=6\nEnvironment=PYTHONDONTWRITEBYTECODE=1\nWorkingDirectory=" + str(ROOT) + "\n"
HUB, BACKEND = "ilot.service", "ilot-backend.service"


def shown(machine: Machine, unit: str, name: str) -> str:
    return machine.said("systemctl", "show", "-P", name, unit)


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    needs("systemd-nspawn", "debootstrap")
    tree = copy_of(NATIVE, tmp_path / "tree")
    here = tree / str(ROOT).lstrip("/")
    here.mkdir(parents=True)
    subprocess.run(["mount", "--bind", "-o", "ro", ROOT, here], check=True)
    try:
        for name, text in LAUNCHERS.items():
            (tree / "usr/bin" / name).write_text(text)
            (tree / "usr/bin" / name).chmod(0o755)
        for unit in (HUB, BACKEND):
            text = (ROOT / "deploy/units" / unit).read_text()
            # groups of packages that are not here: their devices are not either
            text = "\n".join(line for line in text.splitlines() if not line.startswith("SupplementaryGroups="))
            (tree / "etc/systemd/system" / unit).write_text(text + "\n")
            (tree / f"etc/systemd/system/{unit}.d").mkdir()
            (tree / f"etc/systemd/system/{unit}.d/test.conf").write_text(WATCHED)
        with booted(tree) as machine:
            for user in ("ilot", "ilot-backend"):
                machine.run("useradd", "--system", user)
            machine.run("install", "-d", "-o", "ilot", "-g", "ilot", "/etc/ilot")
            machine.run("ilot", "new", "config", "--first", "--out", "/etc/ilot/config.yaml")
            yield machine
    finally:
        subprocess.run(["umount", here], check=True)


def test_a_fresh_hub_is_in_service_for_systemd_is_enrolled_in_place_and_killed_where_its_loop_hangs(
    machine: Machine,
) -> None:
    machine.run("systemctl", "start", HUB)  # returns once the pages answer
    assert "not enrolled yet" in shown(machine, HUB, "StatusText")
    process = shown(machine, HUB, "MainPID")
    machine.run("systemctl", "reload", HUB)  # an edited configuration, of a hub that waits
    assert len(machine.said("ilot", "label", "--new").splitlines()[3].split()[-1]) == len("XXXX-XXXX-XXXX")
    assert shown(machine, HUB, "NRestarts") == "0"

    directory = "/var/lib/ilot-backend"
    machine.run("ilot", "backend", "init", directory, "--host-name", "127.0.0.1", "--port", "9443")
    machine.run("chown", "-R", "ilot-backend:ilot-backend", directory)
    machine.run("systemctl", "start", BACKEND)
    assert "9443" in shown(machine, BACKEND, "StatusText")
    machine.run(
        "ilot", "enroll", machine.said("runuser", "-u", "ilot-backend", "--", "ilot", "backend", "token", directory)
    )
    machine.run(
        "timeout",
        "120",
        "sh",
        "-c",
        "until systemctl show -P StatusText ilot | grep -q 'is in service'; do sleep 0.2; done",
    )
    assert shown(machine, HUB, "MainPID") == process
    assert shown(machine, HUB, "NRestarts") == "0"
    machine.run(
        "timeout", "120", "sh", "-c", "until ilot status | grep -q 'acknowledged, last ack [0-9]'; do sleep 0.2; done"
    )

    machine.run("systemctl", "reload", HUB)  # returns once the configuration was taken up
    assert shown(machine, HUB, "MainPID") == process
    first = shown(machine, BACKEND, "MainPID")
    parts = machine.said("cat", f"/proc/{first}/task/{first}/children").split()
    assert len(parts) == 3
    machine.run("sh", "-c", f"kill -9 {' '.join(parts)}")
    three = f"set -- $(cat /proc/{first}/task/{first}/children); [ $# = 3 ]"
    others = " && ".join(f"! kill -0 {part} 2>/dev/null" for part in parts)
    back = "systemctl show -P StatusText ilot-backend | grep -q serving"
    machine.run("timeout", "60", "sh", "-c", f"until {others} && {three} && {back}; do sleep 0.2; done")
    assert shown(machine, BACKEND, "MainPID") == first
    for unit in (HUB, BACKEND):
        assert shown(machine, unit, "NRestarts") == "0", "fed for longer than the watchdog waits"
        machine.run("systemctl", "kill", "--kill-whom=main", "-s", "STOP", unit)  # as a loop that hangs
        machine.run(
            "timeout", "120", "sh", "-c", f"until [ $(systemctl show -P NRestarts {unit}) = 1 ]; do sleep 0.2; done"
        )
        machine.run("timeout", "120", "sh", "-c", f"until systemctl is-active -q {unit}; do sleep 0.2; done")
    assert "watchdog" in machine.journal().lower()
    for unit in (HUB, BACKEND):
        machine.run("systemctl", "stop", unit)
        assert shown(machine, unit, "Result") == "success"
    assert machine.run("sh", "-c", "grep -l ilot-ingest /proc/[0-9]*/comm", check=False).stdout == ""

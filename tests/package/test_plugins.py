"""The starter of plugins as the unit of an installed package: sandbox of systemd, socket, user, and what it gives."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from ..redteam.vehicle import CHILD
from .machine import NATIVE, Machine, booted, copy_of, needs
from .packages import Files

pytestmark = pytest.mark.long("builds a package and boots a Debian, minutes")
HUB = f"ilot_{NATIVE}.deb"
FOLDER = "/var/lib/ilot/plugins/hostile/1-0"
ASK = f"""
import asyncio, os, socket, sys
from hub.core.errors import HubError
from hub.plugin_host.isolation.launch import Spec, import_path, launched
async def main():
    ours, theirs = socket.socketpair()
    heard, errors = os.pipe()
    try:
        own_user = "direct" not in sys.argv
        spec = Spec("hostile", "hostile", ("{FOLDER}", *import_path()), own_user=own_user)
        async with launched(spec, theirs, errors) as process:
            theirs.close(); os.close(errors)
            print("started", flush=True)
            said = b""
            while piece := await asyncio.to_thread(ours.recv, 65536):
                said += piece
                if b"waits" in said:
                    print("waits", flush=True)
            print(said.decode())
            print("ended", await process.ended())
            print(os.read(heard, 65536).decode())
    except HubError as error:
        print(type(error).__name__, error)
asyncio.run(main())
"""
ATTACK = """
import os, socket
def attempt(name, action):
    try:
        say(f"{name}: {action()}")
    except BaseException as error:
        say(f"{name}: {type(error).__name__}")
attempt("user", lambda: os.getuid() >= 65536 and os.getgroups() == [])
attempt("number", os.getpid)
attempt("environment", lambda: sorted(os.environ))
attempt("processes", lambda: sorted(os.listdir("/proc")))
attempt("state", lambda: os.listdir("/var/lib/ilot"))
attempt("configuration", lambda: open("/etc/ilot/config.yaml").read())
attempt("devices", lambda: sorted(os.listdir("/dev")))
attempt("pages", lambda: socket.create_connection(("127.0.0.1", 8443), 3))
attempt("program", lambda: os.execv("/usr/bin/python3", ["python3"]))
attempt("own files", lambda: open("mine", "w").write("x"))
attempt("other files", lambda: open("/usr/lib/mine", "w").write("x"))
attempt("memory", lambda: len(bytearray(300 << 20)))
status = [line.split() for line in open("/proc/self/status")]
attempt("limits", lambda: [words[1] for words in status if words[0] in ("NoNewPrivs:", "Seccomp:")])
"""
SAID = """user: True
number: 1
environment: ['LC_CTYPE']
processes: ['1', 'self', 'thread-self']
state: ['plugins']
configuration: FileNotFoundError
devices: ['null', 'random', 'urandom', 'zero']
pages: PermissionError
program: PermissionError
own files: 1
other files: OSError
memory: MemoryError
limits: ['1', '2']
"""


@pytest.fixture(scope="module")
def machine(first: Files, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    needs("systemd-nspawn", "debootstrap")
    tree = copy_of(NATIVE, tmp_path_factory.mktemp("plugins") / "tree")
    with booted(tree) as machine:
        machine.install(first[HUB])
        (tree / "srv/ask.py").write_text(ASK)
        yield machine
    shutil.rmtree(tree, ignore_errors=True)


def plugin(machine: Machine, attack: str) -> None:
    """Lay a plugin where the hub unpacks those of somebody else, as its user does."""
    code = machine.tree / FOLDER.lstrip("/") / "hub/plugin_host/isolation"
    code.mkdir(parents=True, exist_ok=True)
    for one in (code, code.parent, code.parent.parent):
        (one / "__init__.py").touch()
    (code / "child.py").write_text(CHILD.format(folder=FOLDER, without="pass", attack=attack))
    machine.run("chown", "-R", "ilot:ilot", "/var/lib/ilot/plugins")
    machine.run("chmod", "-R", "u=rwX,go=rX", "/var/lib/ilot/plugins")


def asked(machine: Machine, user: str = "ilot") -> str:
    return machine.said("runuser", "-u", user, "--", "/usr/lib/ilot/bin/python3", "-I", "-B", "/srv/ask.py")


def state(machine: Machine, unit: str) -> str:
    return machine.run("systemctl", "is-active", unit, check=False).stdout.strip()


def test_a_plugin_of_somebody_else_is_started_by_the_unit_and_confined(machine: Machine) -> None:
    assert state(machine, "ilot-plugins.socket") == "active"
    assert state(machine, "ilot-plugins.service") == "inactive", "nobody has asked yet"
    plugin(machine, ATTACK)
    said = asked(machine)
    assert SAID in said, said + machine.journal()
    assert "ended 0" in said
    exposure = machine.run("systemd-analyze", "security", "--no-pager", "--threshold=27", "ilot-plugins.service")
    assert "ilot-plugins.service" in exposure.stdout
    doctor = machine.run("ilot", "doctor", "--no-probe", check=False).stdout
    assert "each gets a user, namespaces" in doctor, doctor
    assert machine.said("cat", "/var/lib/ilot-plugins/users").startswith("69632 hostile")


IN_UNIT = {
    "Type": "oneshot", "ExecStartPre": "", "ExecReload": "", "WatchdogSec": "0", "Restart": "no",
    "ExecStart": "/usr/lib/ilot/bin/python3 -I -B /srv/ask.py {way}",
}  # fmt: skip


def asked_in_the_hubs_unit(machine: Machine, way: str) -> str:
    """The same question from inside all that the hub's own unit forbids."""
    lines = (machine.tree / "usr/lib/systemd/system/ilot.service").read_text().splitlines()
    kept = [line for line in lines if line.partition("=")[0] not in IN_UNIT]
    at = kept.index("[Service]") + 1
    kept[at:at] = [f"{name}={value.format(way=way)}" for name, value in IN_UNIT.items() if value]
    kept[at:at] = [f"StandardOutput=file:/srv/{way}", f"StandardError=file:/srv/{way}"]
    (machine.tree / "etc/systemd/system/ask.service").write_text("\n".join(kept) + "\n")
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "start", "ask.service", check=False)
    return (machine.tree / "srv" / way).read_text()


@pytest.mark.parametrize("way", ["starter", "direct"])
def test_both_ways_work_from_inside_the_hubs_own_unit(machine: Machine, way: str) -> None:
    plugin(machine, ATTACK)
    said = asked_in_the_hubs_unit(machine, way)
    if way == "starter":
        assert SAID in said
    for line in ("environment: ['LC_CTYPE']", "pages: PermissionError", "program: PermissionError",
                 "other files: ", "memory: MemoryError", "limits: ['1', '2']", "ended 0"):  # fmt: skip
        assert line in said, said
    assert "other files: 1" not in said


def test_nobody_but_the_hub_is_heard(machine: Machine) -> None:
    plugin(machine, "say('here')")
    for user in ("nobody", "root"):
        assert asked(machine, user).startswith("NotReady hostile"), user


def test_the_hubs_state_cannot_be_shown_to_a_plugin(machine: Machine) -> None:
    machine.run("runuser", "-u", "ilot", "--", "mkdir", "-p", "/var/lib/ilot/plugins/link")
    machine.run("runuser", "-u", "ilot", "--", "ln", "-sfn", "/var/lib/ilot", "/var/lib/ilot/plugins/link/1-0")
    for folder in ("/var/lib/ilot", "/var/lib/ilot/plugins/link/1-0", "/etc/ilot", "/srv/x/y"):
        text = ASK.replace(f'"{FOLDER}"', f'"{folder}"')
        (machine.tree / "srv/other.py").write_text(text)
        said = machine.said("runuser", "-u", "ilot", "--", "/usr/lib/ilot/bin/python3", "-I", "-B", "/srv/other.py")
        assert said.startswith("PluginError hostile is not started"), said


def test_without_its_unit_no_plugin_of_somebody_else_starts(machine: Machine) -> None:
    plugin(machine, "say('here')")
    machine.run("systemctl", "stop", "ilot-plugins.socket")
    try:
        said = asked(machine)
        assert said.startswith("NotReady hostile is not part of this distribution"), said
    finally:
        machine.run("systemctl", "start", "ilot-plugins.socket")
    assert "here\n" in asked(machine)


def test_without_plugins_it_ends_and_the_next_request_starts_it_again(machine: Machine) -> None:
    plugin(machine, "say('here')")
    assert "here\n" in asked(machine)
    wait = "until [ $(systemctl is-active ilot-plugins.service) = inactive ]; do sleep 0.5; done"
    machine.run("timeout", "120", "sh", "-c", wait)
    assert state(machine, "ilot-plugins.socket") == "active"
    assert "here\n" in asked(machine)


def test_a_plugin_ends_with_its_starter(machine: Machine) -> None:
    plugin(machine, "say('waits'); import time; time.sleep(600)")
    script = (
        "runuser -u ilot -- /usr/lib/ilot/bin/python3 -I -B /srv/ask.py >/tmp/out & "
        "until grep -q waits /tmp/out; do sleep 0.1; done; "
        "systemctl kill -s KILL --kill-whom=main ilot-plugins.service; wait; cat /tmp/out"
    )
    assert "ended -9" in machine.said("timeout", "60", "sh", "-c", script)
    owners = machine.said("sh", "-c", "stat -c %u /proc/[0-9]* 2>/dev/null || true").split()
    assert "0" in owners
    assert "69632" not in owners

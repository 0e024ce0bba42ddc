"""The network of a machine on a real NetworkManager, polkit, systemd-timesyncd and nftables, in a Debian of its own.

Its two interfaces are ends of virtual cables: there is no Wi-Fi and no modem here.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from .machine import CLEAN, NATIVE, ROOT, Machine, copy_of, needs

pytestmark = pytest.mark.long("boots a Debian with NetworkManager; python3-dbusmock's is in the short run")

PACKAGES = ("network-manager", "polkitd", "libpam-systemd", "dnsmasq-base", "nftables", "iproute2", "systemd-timesyncd")
PLACES = {
    "polkit/50-ilot-network.rules": "usr/share/polkit-1/rules.d",
    "sysctl/60-ilot-no-forwarding.conf": "usr/lib/sysctl.d",
    "nftables/ilot.nft": "usr/lib/ilot/network",
    "units/ilot-no-forwarding.service": "usr/lib/systemd/system",
    "dispatcher/50-ilot-no-forwarding": "usr/lib/NetworkManager/dispatcher.d",
    "dnsmasq/ilot-access-point.conf": "etc/NetworkManager/dnsmasq-shared.d",
}
OFFICE, PLANT = "203.0.113", "198.51.100"
RULE = "usr/share/polkit-1/rules.d/50-ilot-network.rules"
DRIVER = str(ROOT / "tests/package/network_driver.py")


class Network:
    """The machine, and a namespace beyond each of its two interfaces, office and plant."""

    def __init__(self, machine: Machine, leader: str) -> None:
        self.machine, self._store = machine, 0
        self.beyond = {name: f"ilotnm{os.getpid()}-{name}" for name in ("it0", "gtb0")}
        for name, space in self.beyond.items():
            net = OFFICE if name == "it0" else PLANT
            host("ip", "netns", "add", space)
            host("ip", "-n", space, "link", "add", "far", "type", "veth", "peer", "name", name, "netns", leader)
            host("ip", "-n", space, "addr", "add", f"{net}.1/24", "dev", "far")
            host("ip", "-n", space, "link", "set", "far", "up")
            host("ip", "-n", space, "route", "add", "default", "via", f"{net}.10")

    def close(self) -> None:
        for space in self.beyond.values():
            subprocess.run(["ip", "netns", "delete", space], check=False, capture_output=True)

    def ask(self, *steps: tuple[str, Any], user: str = "ilot") -> dict[str, Any]:
        """Make calls as a user of the machine; return the last answer of each."""
        self._store += 1
        words = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", sys.executable, DRIVER]
        done = self.machine.run(
            "env", f"PYTHONPATH={ROOT}", *words, f"/tmp/{user}{self._store}.db", *map(json.dumps, steps)
        )
        return dict(json.loads(line) for line in done.stdout.splitlines())

    def reaches(self, name: str, address: str) -> bool:
        """Whether a machine beyond an interface reaches an address: it is refused there, or taken."""
        code = f"import socket; socket.create_connection(({address!r}, 9), 1)"
        done = host("ip", "netns", "exec", self.beyond[name], sys.executable, "-c", code, check=False)
        return done.returncode == 0 or "ConnectionRefused" in done.stderr


def host(*words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, check=check, capture_output=True, text=True)


def until(true: Callable[[], Any], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.3)


@contextmanager
def booted(tree: Path) -> Iterator[Machine]:
    """Boot a tree with a network of its own, and our sources at their place, read-only."""
    words = ["systemd-nspawn", "-q", "-D", str(tree), "--boot", "--private-network", "--register=no", "--keep-unit"]
    words += [f"--machine=ilot-net-{os.getpid()}", "--console=pipe", f"--bind-ro={ROOT}", "--kill-signal=SIGRTMIN+3"]
    null = subprocess.DEVNULL
    with subprocess.Popen(words, stdin=null, stdout=null, stderr=null) as host_of_it:
        try:
            children = Path(f"/proc/{host_of_it.pid}/task/{host_of_it.pid}/children")
            until(lambda: children.read_text().split())
            machine = Machine(tree, int(children.read_text().split()[0]))
            until(lambda: machine.run("systemctl", "is-active", "NetworkManager", check=False).returncode == 0)
            yield machine
            machine.run("systemctl", "poweroff", check=False)
            host_of_it.wait(30)
        finally:
            host_of_it.kill()


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    needs("systemd-nspawn", "debootstrap", "ip")
    tree = copy_of(NATIVE, tmp_path_factory.mktemp("network") / "tree")
    script = f"apt-get update -q && apt-get install -y -q --no-install-recommends {' '.join(PACKAGES)}"
    done = subprocess.run(
        ["chroot", tree, "env", "-i", *(f"{k}={v}" for k, v in CLEAN.items()), "sh", "-c", script],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        pytest.skip(f"NetworkManager could not be fetched: {done.stderr[-300:]}")
    for source, place in PLACES.items():
        (tree / place).mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / "deploy" / source, tree / place)
    for name, number in (("ilot", 7811), ("other", 7812)):
        host("chroot", str(tree), "useradd", "-r", "-M", "-u", str(number), name)
    virtual = tree / "etc/systemd/system/systemd-timesyncd.service.d/virtual.conf"
    virtual.parent.mkdir(parents=True)
    virtual.write_text("[Unit]\nConditionVirtualization=\n[Service]\nAmbientCapabilities=\nCapabilityBoundingSet=\n")
    try:
        with booted(tree) as machine:
            found = Network(machine, machine._enter[2])
            try:
                until(lambda: "gtb0" in machine.run("nmcli", "dev", check=False).stdout)
                machine.run("systemctl", "start", "ilot-no-forwarding")
                yield found
            finally:
                found.close()
    finally:
        shutil.rmtree(tree, ignore_errors=True)


def static(name: str, address: str, **others: Any) -> tuple[str, dict[str, Any]]:
    return "set", {"interface": name, "ipv4": "manual", "address": address, "ipv6": "off", **others}


def put(network: Network, name: str, address: str) -> None:
    answer = network.ask(static(name, address), ("sleep", 4), ("confirm", {}))
    assert answer["confirm"]["how"] == "confirmed", answer


def test_the_hubs_user_gives_an_address_and_keeps_it_and_nobody_else_may(network: Network) -> None:
    refused = network.ask(static("it0", f"{OFFICE}.10/24"), user="other")
    assert refused["set"]["refused"] == "network-not-allowed"
    put(network, "it0", f"{OFFICE}.10/24")
    until(lambda: network.reaches("it0", f"{OFFICE}.10"))
    network.machine.run("systemctl", "restart", "NetworkManager")
    until(lambda: network.reaches("it0", f"{OFFICE}.10"))
    # the twin: without its rule
    rule = network.machine.tree / RULE
    aside = rule.with_suffix(".aside")
    rule.rename(aside)
    try:
        until(lambda: network.ask(static("it0", f"{OFFICE}.11/24"))["set"].get("refused") == "network-not-allowed")
    finally:
        aside.rename(rule)
    assert network.reaches("it0", f"{OFFICE}.10")


def test_a_wrong_address_comes_back_by_itself_although_the_hub_died(network: Network) -> None:
    put(network, "it0", f"{OFFICE}.10/24")
    until(lambda: network.reaches("it0", f"{OFFICE}.10"))
    network.ask(("confirm_s", 30), static("it0", "192.168.77.10/24"), ("sleep", 3))  # and its process ends
    assert not network.reaches("it0", f"{OFFICE}.10")
    until(lambda: network.reaches("it0", f"{OFFICE}.10"))
    assert network.ask(("show", {}))["show"]["pending"] is None


def test_an_address_is_had_by_dhcp_and_without_a_server_the_old_one_is_back(network: Network) -> None:
    put(network, "it0", f"{OFFICE}.10/24")
    dhcp = ("set", {"interface": "it0", "ipv6": "off"})
    words = ["ip", "netns", "exec", network.beyond["it0"], "chroot", str(network.machine.tree), "/usr/sbin/dnsmasq"]
    options = ["-k", "-p0", "--conf-file=/dev/null", "--interface=far", f"--dhcp-range={OFFICE}.50,{OFFICE}.50,1h"]
    with subprocess.Popen([*words, *options, "--dhcp-leasefile=/tmp/far.leases", "--user=root"]) as server:
        try:
            network.ask(dhcp, ("sleep", 8), ("confirm", {}))
            until(lambda: network.reaches("it0", f"{OFFICE}.50"))
        finally:
            server.terminate()
    put(network, "it0", f"{OFFICE}.10/24")
    answer = network.ask(dhcp, ("until_ended", None), ("show", {}))
    assert answer["show"]["last"]["how"] == "taken back"
    until(lambda: network.reaches("it0", f"{OFFICE}.10"))


def test_networkmanager_takes_a_profile_of_each_kind_and_gives_a_key_back_to_the_hubs_user(network: Network) -> None:
    assert network.ask(("profiles", None))["profiles"] == {"key": "sept huit neuf", "other": ""}
    listed = network.machine.said("nmcli", "-t", "-f", "NAME", "con")
    assert {"ilot Mairie", "ilot cdc-wdm9", "ilot access point"} <= set(listed.splitlines())
    assert "sept huit neuf" not in network.machine.journal()


def test_nothing_passes_between_the_two_networks_also_where_the_kernel_would(network: Network) -> None:
    put(network, "it0", f"{OFFICE}.10/24")
    put(network, "gtb0", f"{PLANT}.10/24")
    until(lambda: network.reaches("it0", f"{OFFICE}.10") and network.reaches("gtb0", f"{PLANT}.10"))
    machine = network.machine

    def passes() -> bool:
        return network.reaches("it0", f"{PLANT}.1") or network.reaches("gtb0", f"{OFFICE}.1")

    assert machine.said("cat", "/proc/sys/net/ipv4/ip_forward") == "0"
    assert not passes()
    machine.run("sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward")
    try:
        assert network.ask(("show", {}))["show"]["forwarding"] == ["net.ipv4.ip_forward"]
        assert not passes()
        machine.run("nft", "delete", "table", "inet", "ilot")  # the twin, which the same oracle catches
        assert passes()
    finally:
        machine.run("systemctl", "restart", "ilot-no-forwarding")
    assert not passes()
    machine.run("sh", "-c", "echo 0 >/proc/sys/net/ipv4/ip_forward")


def test_what_the_access_point_switches_on_is_switched_off_again(network: Network) -> None:
    put(network, "it0", f"{OFFICE}.10/24")
    machine = network.machine
    words = "type ethernet ifname gtb0 con-name shared ipv4.method shared ipv4.addresses 10.42.0.1/24 autoconnect no"

    def forwards() -> str:
        return machine.said("cat", "/proc/sys/net/ipv4/ip_forward")

    machine.run("nmcli", "con", "add", *words.split())
    try:
        machine.run("nmcli", "con", "up", "shared")
        until(lambda: forwards() == "0")  # the script runs when NetworkManager is done
        assert "listen-address=10.42.0.1" in machine.said("sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '")
        script = machine.tree / "usr/lib/NetworkManager/dispatcher.d/50-ilot-no-forwarding"
        script.chmod(0o644)  # the twin: NetworkManager runs no script that is not executable
        machine.run("nmcli", "con", "down", "shared")
        machine.run("nmcli", "con", "up", "shared")
        time.sleep(2)
        assert forwards() == "1"
        script.chmod(0o755)
    finally:
        machine.run("nmcli", "con", "delete", "shared")
        machine.run("sh", "-c", "echo 0 >/proc/sys/net/ipv4/ip_forward")


def test_timesyncd_takes_the_time_servers_of_the_hubs_user(network: Network) -> None:
    machine = network.machine
    if machine.run("systemctl", "start", "systemd-timesyncd", check=False).returncode:
        pytest.skip("systemd-timesyncd does not run in this container")
    answer = network.ask(("time", {"servers": "192.0.2.123 ntp.ville.example.org"}), ("show", {}))
    assert answer["show"]["time"]["servers"] == ["192.0.2.123", "ntp.ville.example.org"]
    assert network.ask(("time", {"servers": "192.0.2.9"}), user="other")["time"]["refused"] == "network-not-allowed"

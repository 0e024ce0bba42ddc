"""A Debian of its own in a folder: booted with a real systemd and without network, or entered by emulation."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TREES = ROOT / ".cache/trees"
NATIVE = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), "")
OTHER = "arm64" if NATIVE == "amd64" else "amd64"
INSIDE = "python3,systemd,systemd-sysv,dbus,ca-certificates"
EMULATED_INSIDE = "python3,systemd"  # few: each is unpacked by emulation
CLEAN = {"PATH": "/usr/sbin:/usr/bin", "HOME": "/root", "LANG": "C.UTF-8", "TERM": "dumb"}
CLEAN |= {"DEBIAN_FRONTEND": "noninteractive"}
UP = ("running", "degraded")
EMULATED = (
    r":aarch64:M::\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00"
    r":\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff:/usr/bin/qemu-aarch64-static:F"
)
"""What tells the kernel who runs a program of arm64: header, mask, interpreter. In one's own user namespace alone."""


def needs(*commands: str) -> None:
    """Skip where this machine cannot do it, with what is missing."""
    if os.geteuid() != 0:
        pytest.skip("needs root, to enter another system")
    packages = {"systemd-nspawn": "systemd-container", "qemu-aarch64-static": "qemu-user-static"}
    for command in commands:
        if shutil.which(command, path=f"{os.environ['PATH']}:/usr/sbin") is None:
            pytest.skip(f"{command} is missing: apt-get install {packages.get(command, command)}")


def base(architecture: str) -> Path:
    """A bare Debian 13 with its Python and systemd, fetched once. Of another architecture it is only unpacked."""
    tree = TREES / f"trixie-{architecture}"
    if not tree.exists():
        TREES.mkdir(parents=True, exist_ok=True)
        fresh = TREES / f"new-{uuid.uuid4().hex}"
        foreign = ["--foreign"] if architecture != NATIVE else []
        words = [
            "debootstrap",
            f"--arch={architecture}",
            *foreign,
            "--variant=minbase",
            f"--include={INSIDE if not foreign else EMULATED_INSIDE}",
        ]
        made = subprocess.run([*words, "trixie", fresh], capture_output=True, text=True, check=False)
        if made.returncode:
            shutil.rmtree(fresh, ignore_errors=True)
            pytest.skip(f"no Debian could be fetched: {made.stdout[-300:]}")
        fresh.rename(tree)
    return tree


def copy_of(architecture: str, to: Path) -> Path:
    subprocess.run(["cp", "-a", base(architecture), to], check=True)
    (to / "etc/machine-id").write_text("")
    return to


class Machine:
    """A booted system. Commands run in it as root."""

    def __init__(self, tree: Path, leader: int) -> None:
        self.tree = tree
        self._enter = ["nsenter", "-t", str(leader), "-m", "-u", "-i", "-n", "-p", "-C", "--"]

    def run(self, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        words = [*self._enter, "env", "-i", *(f"{k}={v}" for k, v in CLEAN.items()), *command]
        done = subprocess.run(words, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
        assert not check or done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def said(self, *command: str) -> str:
        return self.run(*command).stdout.strip()

    def python(self, text: str) -> str:
        return self.said("python3", "-c", text)

    def install(self, *packages: Path, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Install package files as a person does, by apt."""
        for package in packages:
            shutil.copy(package, self.tree / "srv")
        names = [f"/srv/{package.name}" for package in packages]
        return self.run("apt-get", "install", "-y", "-q", "-o", "Dpkg::Use-Pty=0", *names, check=check)

    def journal(self) -> str:
        return self.run("journalctl", "--no-pager", "-n", "60", check=False).stdout


@contextmanager
def booted(tree: Path) -> Iterator[Machine]:
    """Boot `tree` with a network of its own that leads nowhere."""
    words = ["systemd-nspawn", "-q", "-D", str(tree), "--boot", "--private-network", "--register=no", "--keep-unit"]
    words += [f"--machine=ilot-{uuid.uuid4().hex[:8]}", "--console=pipe", "--kill-signal=SIGRTMIN+3"]
    with subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as host:
        try:
            machine = _up(tree, host)
            yield machine
            machine.run("systemctl", "poweroff", check=False)
            host.wait()
        finally:
            host.terminate()


def _up(tree: Path, host: subprocess.Popen[bytes]) -> Machine:
    """Wait until the system has started; it says nothing on a console that is a pipe."""
    children = Path(f"/proc/{host.pid}/task/{host.pid}/children")
    while host.poll() is None:
        if leader := children.read_text().split():
            machine = Machine(tree, int(leader[0]))
            if machine.run("systemctl", "is-system-running", "--wait", check=False).stdout.strip() in UP:
                return machine
        time.sleep(0.2)
    said = host.stderr.read().decode(errors="replace")[-300:] if host.stderr is not None else ""
    pytest.skip(f"systemd-nspawn cannot boot here: {said}")


def emulated(tree: Path, script: str) -> subprocess.CompletedProcess[str]:
    """Run `script` in the system of arm64 at `tree`: as root of a user namespace, where qemu runs its programs."""
    outside = f"""set -e
mkdir -p {tree}/mnt {tree}/dev {tree}/proc
mount -t binfmt_misc binfmt {tree}/mnt
printf %s "$0" >{tree}/mnt/register
mount --rbind /dev {tree}/dev
mount -t proc proc {tree}/proc
exec chroot {tree} /bin/sh -c "$1"
"""
    words = ["unshare", "--user", "--map-users=0:0:65536", "--map-groups=0:0:65536", "--mount", "--net", "--pid"]
    clean = ["env", "-i", *(f"{k}={v}" for k, v in CLEAN.items())]
    command = [*words, "--fork", *clean, "sh", "-c", outside, EMULATED, script]
    return subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)

"""Scene of the demo: a backend, a simulated building and a hub, each a process of its own on loopback."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from hub.core import tls
from hub.core.errors import HubError, NotReady
from hub.core.text import phrase, reason_of
from hub.rpc.control_socket import CallRefused, call

READY_S = 150.0
"""Time-out of a start in seconds: long, since it only has to end what hangs on a busy machine."""

HEAD = """\
# Written by `ilot demo`. The building is simulated, the protocols are real.
hub:
  state_dir: {state}
"""
HOUSE = """\
  name: Démonstration
  site: ecole-demo
sites:
  ecole-demo: {{name: École de démonstration, timezone: Europe/Paris}}
zones:
  classes: {{site: ecole-demo, name: Salles de classe}}
  technique: {{site: ecole-demo, name: Locaux techniques}}
places:
  classe-1: {{zone: classes, name: Classe 1}}
  classe-2: {{zone: classes, name: Classe 2}}
  cour: {{zone: classes, name: Cour, position: {{latitude: 48.85671, longitude: 2.35243}}}}
  hub: {{zone: technique, name: Le concentrateur}}
  compteur: {{zone: technique, name: Compteur électrique, meter: {{carrier: electricity, serial: A1, accuracy: MID B}}}}
  chaufferie: {{zone: technique, name: Chaufferie, position: {{latitude: 48.85634, longitude: 2.35151}}}}
"""
LINES = """\
integrations:
  host: {{interval: 5s}}
  bluetooth: {{}}
  modbus:
    host: 127.0.0.1
    port: {modbus_port}
    interval: 2s
    perimeter: {{kind: locked room, declared_by: Services techniques, declared_on: 2026-01-01}}
"""
BEYOND = """\
link:
  uplinks:
    https: {{url: "{url}"}}
buffer:
  window: 1s
web: {{address: 127.0.0.1, port: {web_port}}}
"""


class Scene:
    """Starts and ends the processes. All files are under `root`; logs are `root/*.log`."""

    ble_places: tuple[str, ...] = ("classe-1", "classe-2", "cour")
    """Places of the simulated Bluetooth sensors, in order; further sensors are strangers."""
    text = HEAD + HOUSE + LINES + BEYOND
    """The configuration without its devices."""

    def __init__(self, root: Path, say: Callable[[str], None]) -> None:
        self.root = root
        self.say = say
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.backend: dict[str, Any] = {}
        self.modbus: dict[str, Any] = {}
        self.radio: dict[str, Any] = {}
        self.state = root / "hub"
        self.config = root / "config.yaml"
        self._backend_dir = root / "backend"
        self._backend_options: tuple[str, ...] = ()
        self._port = 0
        self.web_port = 0

    def prepare(self) -> None:
        """Start everything but the hub: the owner, the backend, the building, the enrolment, the configuration."""
        self.found()
        self.build()
        self.config.write_text(self._configuration(), encoding="utf-8")
        self.enrol()

    def build(self) -> None:
        """Start the building: the simulated devices."""
        self.say(phrase("demo-building", "building: a meter and a boiler on Modbus TCP, three sensors on Bluetooth"))
        self.modbus = self._start("modbus", "-m", "integrations.modbus.sim")
        self.radio = self._start("radio", "-m", "integrations.bluetooth.sim", "--interval", "2")

    def found(self, *options: str) -> None:
        """Create the owner and start the backend; `options` are those of `ilot backend run`."""
        self._backend_options = options
        self.say(
            phrase(
                "demo-owner",
                "backend: making the owner's root, CA and keys (demo grade: they lie beside the server)",
            )
        )
        self._ilot("backend", "init", str(self._backend_dir), "--json")
        self.start_backend()

    def enrol(self) -> None:
        """Enrol the hub that `config` describes."""
        self.say(phrase("demo-enrolling", "hub: enrolling with a one-use token"))
        token = self._ilot("backend", "token", str(self._backend_dir), "--url", self.backend["url"], "--json")["token"]
        self._ilot("enroll", "--config", str(self.config), "--token-file", "-", "--json", stdin=token)

    def start_backend(self) -> None:
        """Start the backend, on its former port if it ran already."""
        self.backend = self._start(
            "backend",
            "-m",
            "hub",
            "backend",
            "run",
            str(self._backend_dir),
            "--port",
            str(self._port),
            "--json",
            *self._backend_options,
        )
        self._port = int(self.backend["url"].rpartition(":")[2].strip("/"))

    def start_hub(self) -> dict[str, Any]:
        """Start the hub; return its ready line."""
        return self._start(
            "hub",
            "-m",
            "hub",
            "run",
            "--config",
            str(self.config),
            "--json",
            DBUS_SYSTEM_BUS_ADDRESS=self.radio["bus_address"],
        )

    def ask(self, name: str, /, **arguments: Any) -> Any:
        """Return the answer of the hub. Raises NotReady and CallRefused."""
        return call(self.state / "hub.sock", name, **arguments)

    def label(self) -> dict[str, Any]:
        """Return the label of the hub's pages: see `ilot label`. Waits until they are served."""
        end = time.monotonic() + READY_S
        while True:
            with contextlib.suppress(NotReady, CallRefused):  # an answer that is given up would take the code with it
                return dict(self.ask("web.label", timeout=READY_S))
            if time.monotonic() > end:
                raise NotReady(
                    phrase(
                        "demo-pages-not-served",
                        "the hub's pages were not served within {seconds:.0f} s: {reason}",
                        seconds=READY_S,
                        reason=self._tail("hub"),
                    )
                )
            time.sleep(0.1)

    def stop(self, name: str, *, timeout: float = 60.0) -> dict[str, Any]:
        """Send SIGTERM and wait; return the last JSON line of the process, {} without one."""
        process = self.processes.pop(name, None)
        if process is None:
            return {}
        process.send_signal(signal.SIGTERM)
        last = b""
        with contextlib.suppress(subprocess.TimeoutExpired):
            out, _ = process.communicate(timeout=timeout)
            last = (out or b"").strip().rpartition(b"\n")[2]
        if process.poll() is None:
            process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()  # do not read to the end: a child process may hold the other end open
        with contextlib.suppress(ValueError):
            return dict(json.loads(last))
        return {}

    def close(self) -> None:
        for name in ("hub", *[one for one in self.processes if one not in ("hub", "backend")], "backend"):
            self.stop(name, timeout=10)

    def check(self) -> None:
        """Raise HubError when a process of the scene has ended by itself."""
        for name, process in self.processes.items():
            if process.poll() is not None:
                raise HubError(
                    phrase(
                        "demo-process-ended",
                        "the {process} process ended (exit {status}): {reason}",
                        process=name,
                        status=process.returncode,
                        reason=self._tail(name),
                    )
                )

    def stats(self) -> dict[str, Any]:
        """Return the backend's own count, from its operator API. Raises NotReady while it is down."""
        token = (self._backend_dir / "api.token").read_text().strip()
        trusted = tls.client(file=self._backend_dir / "ca.pem")
        request = urllib.request.Request(  # noqa: S310 - https, and the address is our own child's
            f"{self.backend['url'].rstrip('/')}/v1/stats", headers={"Authorization": f"Bearer {token}"}
        )
        try:
            with urllib.request.urlopen(request, timeout=5, context=trusted) as reply:  # noqa: S310
                return dict(json.load(reply))
        except (urllib.error.URLError, OSError) as error:
            raise NotReady(
                phrase("backend-does-not-answer", "the backend does not answer: {reason}", reason=reason_of(error))
            ) from error

    def _devices(self, secrets: dict[str, str]) -> dict[str, Any]:
        """Return `devices:`, by id; keys are added to `secrets`, by name."""
        devices: dict[str, Any] = {"host:local": {"integration": "host", "place": "hub"}}
        for device, place in zip(self.radio["devices"], self.ble_places, strict=False):
            devices[device["id"]] = {"integration": "bluetooth", "place": place, "model": device.get("model", "")}
            if device.get("key"):
                secrets[place] = device["key"]
                devices[device["id"]]["key"] = f"!secret {place}"
        for (name, settings), place in zip(self.modbus["devices"].items(), ("compteur", "chaufferie"), strict=False):
            devices[name] = {"integration": "modbus", "place": place, "settings": settings}
        return devices

    def _facts(self) -> dict[str, Any]:
        """Return the values that `text` leaves open."""
        return {
            "state": self.state, "modbus_port": self.modbus["port"], "url": self.backend["url"].rstrip("/"),
            "web_port": self.web_port,
        }  # fmt: skip

    def _configuration(self) -> str:
        secrets: dict[str, str] = {}
        devices = self._devices(secrets)
        kept = self.root / "secrets.yaml"
        kept.touch(mode=0o600)
        kept.write_text("".join(f'{name}: "{value}"\n' for name, value in secrets.items()), encoding="utf-8")
        # JSON is YAML: the simulators' output is inserted unchanged, except for the tag of a secret.
        listed = json.dumps(devices, indent=2, ensure_ascii=False)
        return self.text.format(**self._facts()) + "devices: " + re.sub(r'"(!secret [a-z0-9-]+)"', r"\1", listed) + "\n"

    def _start(self, name: str, *arguments: str, **environment: str) -> dict[str, Any]:
        log: IO[bytes] = (self.root / f"{name}.log").open("ab")
        process = subprocess.Popen(
            [sys.executable, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            env={**os.environ, **environment},
            start_new_session=True,
        )
        log.close()
        self.processes[name] = process
        return self._ready_line(name, process)

    def _ready_line(self, name: str, process: subprocess.Popen[bytes]) -> dict[str, Any]:
        """Return the first line of a process, a JSON object printed when it is ready."""
        import select

        end = time.monotonic() + READY_S
        stream = process.stdout
        assert stream is not None  # noqa: S101 - PIPE was asked for
        while time.monotonic() < end:
            if select.select([stream], [], [], 0.1)[0]:
                line = stream.readline()
                with contextlib.suppress(ValueError):
                    return dict(json.loads(line))
                if not line:
                    break
        raise NotReady(
            phrase(
                "demo-process-not-ready",
                "the {process} process was not ready within {seconds:.0f} s: {reason}",
                process=name,
                seconds=READY_S,
                reason=self._tail(name),
            )
        )

    def _tail(self, name: str) -> str:
        path = self.root / f"{name}.log"
        lines = path.read_text(errors="replace").strip().splitlines()[-5:] if path.exists() else []
        return " | ".join(lines) or phrase("demo-process-silent", "it said nothing; see {file}", file=path)

    def _ilot(self, *arguments: str, stdin: str = "") -> dict[str, Any]:
        done = subprocess.run(
            [sys.executable, "-m", "hub", *arguments],
            input=stdin.encode(),
            capture_output=True,
            timeout=2 * READY_S,
            check=False,
        )
        if done.returncode:
            raise HubError(
                phrase(
                    "demo-command-failed",
                    "ilot {command} failed: {reason}",
                    command=" ".join(arguments[:2]),
                    reason=done.stderr.decode(errors="replace").strip(),
                )
            )
        return dict(json.loads(done.stdout.strip().rpartition(b"\n")[2]))

"""The stranger's plugin runs in a real hub, beside three that are broken, and its reading reaches the backend."""

from __future__ import annotations

import json
import re
import signal
import ssl
import subprocess
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import pytest

from .conftest import QUIET, command

pytestmark = pytest.mark.real("clock, network, processes")

T = TypeVar("T")
DEADLINE_S = 60.0

CONFIG = """
hub: {name: plant room, site: school}
sites:
  school: {timezone: Europe/Paris}
zones:
  heating: {site: school}
places:
  boiler-room: {zone: heating}
  circuit-a: {zone: heating}
  attic: {zone: heating}
integrations:
  acme_thermo: {url: "URL", interval: 1s, isolation: none}
  acme_valve: {url: "URL", interval: 1s, isolation: none}
  acme_former: {url: "URLformer", interval: 1s, isolation: none}
  unwanted: {type: acme_thermo, url: "URL", interval: 1s}
  broken_import: {isolation: none, region: 7}
  broken_registration: {isolation: none}
  broken_run: {isolation: none}
  broken_hold: {isolation: none}
  broken_stay: {isolation: none}
devices:
  "acme:42": {integration: acme_thermo, place: boiler-room}
  "former:42": {integration: acme_former, place: attic}
  "acme:A1": {integration: acme_valve, place: circuit-a, settings: {name: A1, reversed: true}}
link:
  uplinks:
    https: {url: "BACKEND"}
"""


class Thermometer(BaseHTTPRequestHandler):
    """21.5 °C from thermometer 42, and from 43, which nobody configured, in turn: for each address of its own, or two
    plugins that ask at one pace could each be given always the same one. Its gateway has valve A1, 40 % open, and B2,
    which nobody configured."""

    turns: ClassVar[Counter[str]] = Counter()

    def do_GET(self) -> None:
        said: Any
        if self.path.startswith("/changes"):
            said = [{"n": 1, "valve": name, "open": 40} for name in ("A1", "B2") if self.path.endswith("=0")]
        else:
            self.turns[self.path] += 1
            said = {"sn": 42 + self.turns[self.path] % 2, "t": 215}
        body = json.dumps(said).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


@contextmanager
def thermometer() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Thermometer) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def service(log: Path, *arguments: object) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """A program that prints one JSON object when it is ready and ends in order on SIGTERM."""
    with (
        log.open("w") as errors,
        subprocess.Popen(
            [str(a) for a in arguments], env=QUIET, cwd="/", stdout=subprocess.PIPE, stderr=errors, text=True
        ) as process,
    ):
        try:
            assert process.stdout is not None
            line = next((line for line in process.stdout if line.startswith("{")), "")  # plugins may print, too
            assert line, log.read_text()
            yield process, json.loads(line)
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(120)
            except subprocess.TimeoutExpired:
                process.kill()
                raise


def eventually(look: Callable[[], T | None], log: Path) -> T:
    """What `look` finds, as soon as it finds something."""
    end = time.monotonic() + DEADLINE_S
    while time.monotonic() < end:
        found = look()
        if found:
            return found
        time.sleep(0.1)
    raise AssertionError(f"not seen within {DEADLINE_S:.0f} s; the hub said:\n{log.read_text()}")


def test_a_strangers_reading_reaches_the_backend_beside_plugins_that_are_broken(stranger: Path, tmp_path: Path) -> None:
    ilot, owner, state, log = stranger / "ilot", tmp_path / "owner", tmp_path / "state", tmp_path / "hub.log"
    command(ilot, "backend", "init", owner, "--host-name", "127.0.0.1")
    with (
        thermometer() as url,
        service(tmp_path / "backend.log", ilot, "backend", "run", owner, "--port", 0, "--json") as (_, backend),
    ):
        token = json.loads(command(ilot, "backend", "token", owner, "--json").stdout)["token"]
        command(ilot, "enroll", token, "--state-dir", state)
        config = tmp_path / "config.yaml"
        config.write_text(CONFIG.replace("URL", url).replace("BACKEND", backend["url"]))
        checked = subprocess.run(
            [ilot, "check", "--config", config], env=QUIET, cwd="/", capture_output=True, text=True, check=False
        )
        assert checked.returncode == 6, "plugins that cannot run must show: " + checked.stderr
        assert ": right. " in checked.stdout
        assert "broken_import will not run: plugin 'broken_import' (ilot-broken-vendor 0.3)" in checked.stderr
        assert "acme_thermo will not run" not in checked.stderr
        with service(log, ilot, "run", "--config", config, "--state-dir", state, "--json") as (hub, ready):
            assert ready["hub"].startswith("hub-")

            def status() -> dict[str, Any]:
                asked = [ilot, "status", "--state-dir", state, "--json"]
                done = subprocess.run(asked, env=QUIET, cwd="/", capture_output=True, text=True, check=False)
                assert done.returncode == 6, "plugins that cannot run must show: " + done.stderr
                answer: dict[str, Any] = json.loads(done.stdout)
                return answer

            def arrived() -> dict[str, Any] | None:
                now = status()
                assert {plugin["name"]: plugin["error"] for plugin in now["plugins"]}["acme_thermo"] == ""
                return now if now["link"]["acked"] and len(now["quarantine"]) == 2 and len(now["last"]) == 3 else None

            seen = eventually(arrived, log)
            assert {(last["series"], last["value"], last["unit"]) for last in seen["last"]} == {
                ("boiler-room/temperature", 21.5, "Cel"),
                ("circuit-a/valve_position", 60.0, "%"),
                ("attic/temperature", 21.5, "Cel"),
            }, "a metric of a plugin without a manifest is personal, whatever it says, and is not kept"
            assert {waiting["id"] for waiting in seen["quarantine"]} == {"acme:43", "acme:B2"}

            plugins = {plugin["name"]: plugin for plugin in seen["plugins"]}
            assert plugins["acme_thermo"]["error"] == plugins["acme_valve"]["error"] == ""
            assert plugins["acme_former"]["error"] == "", "written for the release before"
            assert "ilot-plugins.socket" in plugins["unwanted"]["error"]
            assert "no licence found" in plugins["broken_import"]["error"]
            assert "'region'" in plugins["broken_registration"]["error"]
            assert "a bug of the vendor's" in plugins["broken_run"]["error"]
            assert all(
                "ilot-broken-vendor 0.3" in plugins[name]["error"] for name in ("broken_import", "broken_registration")
            )

            held = eventually(lambda: status()["stalls"]["by"].get("broken_hold"), log)
            assert held["longest_s"] > 2
            assert re.search(r"broken_hold has held the whole hub for [2-9]\.\d s", log.read_text())
            assert "in run (" in log.read_text()
            told = eventually(lambda: [one for one in status()["degraded"] if "broken_hold" in one], log)
            assert told
            eventually(lambda: "broken_hold" in command(ilot, "alerts", "--state-dir", state, "--json").stdout, log)

            trusted = ssl.create_default_context(cafile=str(owner / "ca.pem"))
            request = urllib.request.Request(f"{backend['url']}/v1/series")
            request.add_header("Authorization", f"Bearer {(owner / 'api.token').read_text().strip()}")

            def arrived_there() -> bool:
                with urllib.request.urlopen(request, context=trusted, timeout=10) as reply:
                    series = {(one["place"], one["metric"]) for one in json.load(reply)["series"]}
                return ("boiler-room", "temperature") in series

            eventually(arrived_there, log)  # an acknowledgement may be of another reading
        assert hub.returncode == 0, log.read_text()
        assert "broken_stay did not stop within 5 s" in log.read_text()


def test_a_plugin_that_kills_the_hub_is_left_out_after_three_deaths_and_tried_again_after_an_orderly_end(
    stranger: Path, tmp_path: Path
) -> None:
    ilot, owner, state, log = stranger / "ilot", tmp_path / "owner", tmp_path / "state", tmp_path / "hub.log"
    command(ilot, "backend", "init", owner, "--host-name", "127.0.0.1")
    config = tmp_path / "config.yaml"
    with service(tmp_path / "backend.log", ilot, "backend", "run", owner, "--port", 0, "--json") as (_, backend):
        token = json.loads(command(ilot, "backend", "token", owner, "--json").stdout)["token"]
        command(ilot, "enroll", token, "--state-dir", state)
        config.write_text(
            "hub: {name: plant room}\nintegrations: {host: {}, broken_die: {isolation: none}}\n"
            f"link: {{uplinks: {{https: {{url: '{backend['url']}'}}}}}}\n"
        )
    run = [ilot, "run", "--config", config, "--state-dir", state, "--json"]

    def dies() -> int:
        return subprocess.run([*run], env=QUIET, cwd="/", capture_output=True, timeout=120, check=False).returncode

    assert [dies() for _ in range(3)] == [9, 9, 9]
    with service(log, *run) as (hub, _):
        asked = [ilot, "status", "--state-dir", state, "--json"]
        status = json.loads(subprocess.run(asked, env=QUIET, capture_output=True, text=True, check=False).stdout)
        plugins = {one["name"]: one for one in status["plugins"]}
        assert "the hub died 3 times within ten minutes" in plugins["broken_die"]["error"]
        assert plugins["host"]["error"] == ""
        time.sleep(1)
        assert hub.poll() is None
    assert hub.returncode == 0, log.read_text()
    assert dies() == 9, "an orderly end is a new beginning"

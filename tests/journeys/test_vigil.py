"""Attacks on a whole hub: each raises its incident within a minute, at both ends; a cut audit log is found."""

from __future__ import annotations

import json
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from hub.cli.scene import Scene
from hub.control import call

LIMIT_S = 60.0
CONFIG = """\
hub: {{name: École, site: school, state_dir: {state}}}
sites: {{school: {{}}}}
zones: {{plant: {{site: school}}}}
places: {{machine: {{zone: plant}}}}
integrations: {{host: {{interval: 1s}}}}
devices: {{host:local: {{place: machine, integration: host}}}}
link: {{uplinks: {{https: {{url: '{url}'}}}}}}
web: {{address: 127.0.0.1, port: 0}}
"""


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    made = Scene(tmp_path_factory.mktemp("vigil"), lambda text: None)
    try:
        made.found()
        made.radio = {"bus_address": "unix:path=/nowhere"}  # no radio here
        made.config.write_text(CONFIG.format(state=made.state, url=made.backend["url"]), encoding="utf-8")
        made.enrol()
        made.start_hub()
        yield made
    finally:
        made.close()


def ask(scene: Scene, name: str, **arguments: Any) -> Any:
    return call(scene.state / "hub.sock", name, **arguments)


def until(true: Callable[[], Any]) -> float:
    """Seconds until it happened."""
    began = time.monotonic()
    while time.monotonic() - began < LIMIT_S:
        if true():
            return time.monotonic() - began
        time.sleep(0.25)
    raise AssertionError("it did not happen within a minute")


def knock(scene: Scene, path: str, host: str = "", fields: str = "") -> int:
    label = scene.label()
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    request = urllib.request.Request(label["url"].rstrip("/") + path, data=fields.encode() or None)
    if host:
        request.add_header("Host", host)
    try:
        with urllib.request.urlopen(request, context=context, timeout=10) as reply:
            return int(reply.status)
    except urllib.error.HTTPError as error:
        return int(error.code)


def incident(scene: Scene, family: str) -> dict[str, Any] | None:
    alerts = ask(scene, "alert.list")["alerts"]
    return next((one for one in alerts if one["rule"] == "security" and one["key"] == family), None)


def test_requests_under_a_wrong_name_are_an_incident_within_a_minute_at_both_ends(scene: Scene) -> None:
    for _ in range(5):
        assert knock(scene, "/", host="evil.example") == 421
    took = until(lambda: incident(scene, "doors"))
    assert took < LIMIT_S
    found = incident(scene, "doors")
    assert found is not None
    assert "requests under another name" in found["text"]
    assert "requêtes sous un autre nom" in found["text_fr"]
    assert any("security incident" in one for one in ask(scene, "status")["degraded"])

    def at_the_backend() -> bool:
        done = subprocess.run(
            [sys.executable, "-m", "hub", "backend", "alerts", "list", str(scene.root / "backend"), "--json"],
            capture_output=True, check=True, timeout=30,
        )  # fmt: skip
        return any(json.loads(line)["rule"] == "security" for line in done.stdout.splitlines())

    until(at_the_backend)


def test_the_head_of_the_audit_log_is_witnessed_and_a_log_cut_or_rewritten_contradicts_it(
    scene: Scene,
) -> None:
    hub = ask(scene, "status")["hub"]

    def heads() -> list[dict[str, Any]]:
        done = subprocess.run(
            [sys.executable, "-m", "hub", "backend", "audit", str(scene.root / "backend"), hub, "--json"],
            capture_output=True, check=True, timeout=30,
        )  # fmt: skip
        return [json.loads(line) for line in done.stdout.splitlines()]

    until(lambda: any(one["count"] > 0 for one in heads()))
    newest = heads()[0]
    witness = [[newest["count"], newest["head"]]]
    answer = ask(scene, "audit.verify", witness=witness)
    assert answer["witnessed"] == 1
    assert answer["count"] >= newest["count"]
    for wrong, why in (([[answer["count"] + 1, newest["head"]]], "was cut"), ([[1, "00" * 32]], "written anew")):
        done = subprocess.run(
            [sys.executable, "-m", "hub", "audit", "verify", "--witness", f"{wrong[0][0]}:{wrong[0][1]}",
             "--config", str(scene.config), "--state-dir", str(scene.state)],
            capture_output=True, check=False, timeout=30,
        )  # fmt: skip
        assert done.returncode != 0
        assert why in done.stderr.decode()


def test_who_did_what_is_listed(scene: Scene) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "hub", "audit", "list", "--config", str(scene.config), "--state-dir", str(scene.state),
         "--json"],
        capture_output=True, check=True, timeout=30,
    )  # fmt: skip
    entries = json.loads(done.stdout)["entries"]
    assert any(entry["what"].get("why") == "host" for entry in entries)
    assert [entry["n"] for entry in entries] == sorted((entry["n"] for entry in entries), reverse=True)

"""Attacks on a whole hub: each raises its incident within a minute, at both ends; a cut audit log is found."""

from __future__ import annotations

import json
import re
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from hub.cli.demo.scene import Scene
from hub.rpc.control_socket import call

from .patience import PATIENCE_S

pytestmark = pytest.mark.real("clock, network, processes")

LIMIT_S = 60.0
"""Within this an incident is there, where it was raised and at the backend. It is judged by the times that they say:
how long the machine takes to ask for it is neither's."""
CONFIG = """\
hub: {{name: École, site: school, state_dir: {state}}}
sites: {{school: {{}}}}
zones: {{plant: {{site: school}}}}
places: {{machine: {{zone: plant}}}}
integrations: {{host: {{interval: 1s}}}}
devices: {{host:local: {{place: machine, integration: host}}}}
link: {{uplinks: {{https: {{url: '{url}'}}}}}}
web: {{address: 127.0.0.1, port: 0}}
security: {{thresholds: {{configuration: 3}}}}
"""


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    made = Scene(tmp_path_factory.mktemp("vigil"), lambda text: None)
    try:
        made.found()
        made.radio = {"bus_address": "unix:path=/nowhere"}  # no radio here
        made._ilot("backend", "badge", "key", str(made.root / "backend"), "--json")  # so this district has badges
        made.config.write_text(CONFIG.format(state=made.state, url=made.backend["url"]), encoding="utf-8")
        made.enrol()
        made.start_hub()
        yield made
    finally:
        made.close()


def ask(scene: Scene, name: str, **arguments: Any) -> Any:
    return call(scene.state / "hub.sock", name, **arguments)


def until(true: Callable[[], Any]) -> None:
    """Wait until it happens."""
    began = time.monotonic()
    while time.monotonic() - began < 2 * PATIENCE_S:
        if true():
            return
        time.sleep(0.25)
    raise AssertionError("it did not happen")


def knock(scene: Scene, path: str, host: str = "", fields: str = "") -> int:
    label = scene.label()
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    request = urllib.request.Request(label["url"].rstrip("/") + path, data=fields.encode() or None)
    if host:
        request.add_header("Host", host)
    try:
        with urllib.request.urlopen(request, context=context, timeout=PATIENCE_S) as reply:
            return int(reply.status)
    except urllib.error.HTTPError as error:
        return int(error.code)


class Visitor:
    """Fills the forms of the entrance, as a browser would."""

    def __init__(self, scene: Scene) -> None:
        self.url = scene.label()["url"].rstrip("/")
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        self._opener = urllib.request.build_opener(
            urllib.request.HTTPSHandler(context=context), urllib.request.HTTPCookieProcessor()
        )

    def fill(self, path: str, **fields: str) -> str:
        with self._opener.open(self.url + path, timeout=PATIENCE_S) as page:
            found = re.search(r'name="csrf" value="([^"]+)"', page.read().decode())
        data = urllib.parse.urlencode({"csrf": found[1] if found else "", **fields}).encode()
        request = urllib.request.Request(self.url + path, data, {"Origin": self.url, "Sec-Fetch-Site": "same-origin"})
        with self._opener.open(request, timeout=PATIENCE_S) as reply:
            return str(reply.url)


def at_the_backend(scene: Scene, family: str) -> dict[str, Any] | None:
    done = subprocess.run(
        [sys.executable, "-m", "hub", "backend", "alerts", "list", str(scene.root / "backend"), "--json"],
        capture_output=True,
        check=True,
        timeout=PATIENCE_S,
    )
    alerts = [json.loads(line) for line in done.stdout.splitlines()]
    return next((one for one in alerts if (one["rule"], one["key"]) == ("security", family)), None)


def incident(scene: Scene, family: str) -> dict[str, Any] | None:
    alerts = ask(scene, "alert.list")["alerts"]
    return next((one for one in alerts if one["rule"] == "security" and one["key"] == family), None)


def test_requests_under_a_wrong_name_are_an_incident_within_a_minute_at_both_ends(scene: Scene) -> None:
    began = time.time()
    for _ in range(5):
        assert knock(scene, "/", host="evil.example") == 421
    until(lambda: incident(scene, "doors"))
    found = incident(scene, "doors")
    assert found is not None
    assert found["raised"] - began < LIMIT_S
    assert "requests under another name" in found["text"]
    assert "requêtes sous un autre nom" in found["text_fr"]
    assert any("security incident" in one for one in ask(scene, "status")["degraded"])

    until(lambda: at_the_backend(scene, "doors"))


def test_a_local_account_where_the_district_has_badges_is_an_incident_at_both_ends(scene: Scene) -> None:
    until(lambda: ask(scene, "badge.status")["keys"])  # the trust document that names it came with a reply
    code, name, password = ask(scene, "web.label", new=True)["code"], "gardien", "quatre mots assez longs"
    Visitor(scene).fill("/claim", code=code, name=name, password=password, again=password)
    found = incident(scene, "doors")
    assert found is None or "without a badge" not in found["text"]  # a first claim breaks no glass
    Visitor(scene).fill("/signin", name=name, password=password)
    until(lambda: "local accounts used without a badge" in (incident(scene, "doors") or {"text": ""})["text"])
    told = ask(scene, "security.events")["events"]
    used = next(one for one in told if one["kind"] == "break-glass")
    assert (used["subject"], used["evidence"]) == (name, {"from": "127.0.0.1"})
    until(lambda: f"{name} 127.0.0.1" in (at_the_backend(scene, "doors") or {"text": ""})["text"])
    until(
        lambda: "comptes locaux utilisés sans badge" in (at_the_backend(scene, "doors") or {"text_fr": ""})["text_fr"]
    )


def test_changes_of_the_configuration_are_told_with_who_which_and_from_where_and_too_many_are_an_incident(
    scene: Scene,
) -> None:
    def rename(name: str, **more: str) -> str:
        edits = [{"path": ["hub", "name"], "value": name}]
        answer = ask(scene, "config.apply", edits=edits, reason="test", **more)
        assert answer["state"] == "committed"
        return str(answer["digest"][:12])

    before = ask(scene, "status")["security"]["counts"].get("configuration", 0)
    first = rename("Une", by="web:anne", origin="192.0.2.7")
    until(lambda: ask(scene, "status")["security"]["counts"].get("configuration", 0) == before + 1)
    told = next(one for one in ask(scene, "security.events")["events"] if one["kind"] == "configuration")
    assert told["subject"] == "web:anne"
    assert told["evidence"] == {"what": "applied", "version": first, "from": "192.0.2.7"}
    assert incident(scene, "hub") is None
    hub = ask(scene, "status")["hub"]

    def counted() -> bool:
        done = subprocess.run(
            [sys.executable, "-m", "hub", "backend", "audit", str(scene.root / "backend"), hub, "--json"],
            capture_output=True,
            check=True,
            timeout=PATIENCE_S,
        )
        newest = json.loads(done.stdout.splitlines()[0])
        return f"configuration={before + 1}" in json.dumps(newest)

    until(counted)  # one is no incident, and the owner has its count
    rename("Deux", by="cli:bob")
    rename("Trois", by="cli:carl")
    until(lambda: "configuration changes" in (incident(scene, "hub") or {"text": ""})["text"])
    until(lambda: at_the_backend(scene, "hub"))
    found = at_the_backend(scene, "hub")
    assert found is not None
    assert found["received_at"] - found["changed_at"] < LIMIT_S
    assert f"web:anne {first} 192.0.2.7" in found["text"]
    assert re.search(r"cli:bob [0-9a-f]{12} local, cli:carl [0-9a-f]{12} local", found["text"])
    ask(scene, "config.apply", edits=[{"path": ["security", "thresholds"], "value": {"plugin": 0}}], by="cli:bob")
    wrong = ask(  # what is never an accident
        scene, "config.check", edits=[{"path": ["security", "thresholds", "forged_ack"], "value": 0}]
    )
    assert not wrong["ok"]
    assert "at least 1" in wrong["problems"][0]["message"]


def test_a_file_changed_while_the_hub_was_off_is_told_when_it_starts(scene: Scene) -> None:
    scene.stop("hub")
    text = scene.config.read_text(encoding="utf-8")
    scene.config.write_text(text.replace("interval: 1s", "interval: 2s"), encoding="utf-8")
    scene.start_hub()
    until(lambda: any(one["kind"] == "configuration" for one in ask(scene, "security.events")["events"]))
    told = next(one for one in ask(scene, "security.events")["events"] if one["kind"] == "configuration")
    assert told["subject"] == "files"
    assert told["evidence"]["from"] == "offline"
    entry = next(one for one in ask(scene, "audit.list")["entries"] if one["what"].get("config") == "found")
    assert entry["who"] == "files"


def test_the_head_of_the_audit_log_is_witnessed_and_a_log_cut_or_rewritten_contradicts_it(
    scene: Scene,
) -> None:
    hub = ask(scene, "status")["hub"]

    def heads() -> list[dict[str, Any]]:
        done = subprocess.run(
            [sys.executable, "-m", "hub", "backend", "audit", str(scene.root / "backend"), hub, "--json"],
            capture_output=True,
            check=True,
            timeout=PATIENCE_S,
        )
        return [json.loads(line) for line in done.stdout.splitlines()]

    edits = [{"path": ["hub", "name"], "value": "Quatre"}]  # an entry, whose head is told at once
    assert ask(scene, "config.apply", edits=edits, by="cli:bob")["state"] == "committed"
    until(lambda: any(one["count"] > 0 for one in heads()))
    newest = heads()[0]
    witness = [[newest["count"], newest["head"]]]
    answer = ask(scene, "audit.verify", witness=witness)
    assert answer["witnessed"] == 1
    assert answer["count"] >= newest["count"]
    for wrong, why in (([[answer["count"] + 1, newest["head"]]], "was cut"), ([[1, "00" * 32]], "written anew")):
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "hub",
                "audit",
                "verify",
                "--witness",
                f"{wrong[0][0]}:{wrong[0][1]}",
                "--config",
                str(scene.config),
                "--state-dir",
                str(scene.state),
            ],
            capture_output=True,
            check=False,
            timeout=PATIENCE_S,
        )
        assert done.returncode != 0
        assert why in done.stderr.decode()


def test_who_did_what_is_listed(scene: Scene) -> None:
    def entries() -> list[dict[str, Any]]:
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "hub",
                "audit",
                "list",
                "--config",
                str(scene.config),
                "--state-dir",
                str(scene.state),
                "--json",
            ],
            capture_output=True,
            check=True,
            timeout=PATIENCE_S,
        )
        listed: list[dict[str, Any]] = json.loads(done.stdout)["entries"]
        return listed

    assert knock(scene, "/", host="evil.example") == 421
    until(lambda: any(entry["what"].get("why") == "host" for entry in entries()))
    numbers = [entry["n"] for entry in entries()]
    assert numbers == sorted(numbers, reverse=True)

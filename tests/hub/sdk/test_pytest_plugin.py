"""The pytest plugin: what it gives to a test that asks, and that it costs others nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from hub.sdk.testing.contract import CONTRACT, ContractTests
from tests.hub.sdk.acme_pump import Pump, logs_its_options

ROOT = Path(__file__).resolve().parents[3]
BARE = """
import sys

def test_of_somebody_else():
    kit = sorted(name for name in sys.modules if name.startswith("hub"))
    assert kit == ["hub", "hub.sdk", "hub.sdk.pytest_plugin"], kit
    assert not {"msgspec", "pydantic", "cryptography"} & set(sys.modules)
"""
FIXTURES = """
import asyncio
import hub
from hub.sdk.testing import ManualClock

def test_a_session_lives_in_the_clock(ilot_clock, ilot_session):
    session = ilot_session("acme", [hub.Device(id="acme:1", integration="acme", place="p")])
    assert session.clock is ilot_clock
    asyncio.run(session.emit(hub.Report(device="acme:1", values={"temperature": 1.0})))
    assert len(session.reports) == 1

def test_each_peer_is_there(ilot_advert, ilot_line, ilot_lorawan, ilot_modbus, ilot_mbus, ilot_mqtt, ilot_bacnet,
                            ilot_knx):
    async def served():
        async with ilot_modbus({0: 215}) as server, ilot_line() as line:
            return server.port, line.port
    port, line = asyncio.run(served())
    assert port and line.startswith("tcp://")
    assert ilot_advert("A4:C1:38:01:02:03", service={"FCD2": b"@"}).data == {"service:fcd2": b"@"}

def test_the_contract(ilot_contract):
    from tests.hub.sdk.acme_pump import Pump, good, logs_its_options
    assert ilot_contract(Pump(good), "ids-stable").passed
    ilot_contract(Pump(logs_its_options), "secrets-redacted")
"""


def run(folder: Path, text: str, *options: str) -> subprocess.CompletedProcess[str]:
    """pytest as somebody has it who installed the kit: the plugin, and none of our own settings."""
    (folder / "test_it.py").write_text(text)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-c",
        os.devnull,
        "--rootdir",
        str(folder),
        "-p",
        "no:cacheprovider",
    ]
    return subprocess.run(
        [*command, "-p", "hub.sdk.pytest_plugin", *options, "test_it.py"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.real("processes")
def test_it_costs_other_users_of_pytest_nothing(tmp_path: Path) -> None:
    done = run(tmp_path, BARE)
    assert done.returncode == 0, done.stdout


@pytest.mark.real("processes")
def test_it_gives_a_clock_a_session_peers_and_the_contract(tmp_path: Path) -> None:
    done = run(tmp_path, FIXTURES, "--ilot-report", "report.json")
    assert "acme_pump, secrets-redacted: the log tells the secret number 1" in done.stdout
    assert "1 failed, 2 passed" in done.stdout
    reports = json.loads((tmp_path / "report.json").read_text())
    assert [[one["outcome"] for one in report["verdicts"]] for report in reports] == [["passed"], ["failed"]]


def test_a_class_of_tests_has_a_test_for_each_of_the_contract() -> None:
    class Both(ContractTests):
        world = staticmethod(lambda: Pump(logs_its_options))  # type: ignore[assignment]

    tests = {name for name in dir(Both) if name.startswith("test_")}
    assert {name.removeprefix("test_").replace("_", "-") for name in tests} == set(CONTRACT)
    Both().test_texts_complete()
    with pytest.raises(AssertionError, match="the log tells the secret number 1"):
        Both().test_secrets_redacted()


def test_it_is_found_by_pytest_where_the_kit_is_installed() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["entry-points"]["pytest11"] == {"ilot": "hub.sdk.pytest_plugin"}


@pytest.mark.real("network")
@pytest.mark.parametrize(("program", "package"), [("mosquitto", "apt install mosquitto"), ("knxd", "apt install knxd")])
async def test_a_peer_that_lacks_a_program_names_its_package(
    program: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hub.sdk.testing import peers

    monkeypatch.setattr("shutil.which", lambda *_, **__: None)
    peer = peers.MqttBroker() if program == "mosquitto" else peers.KnxInterface()
    with pytest.raises(peers.PeerMissing, match=package):
        await peer.begin()


@pytest.mark.real("network")
async def test_a_peer_that_lacks_a_library_names_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    from hub.sdk.testing import peers

    monkeypatch.setattr("hub.sdk.testing.peers.missing.find_spec", lambda _: None)
    with pytest.raises(peers.PeerMissing, match="pip install 'bacpypes3'"):
        await peers.BacnetDevice({1: 21.5}).begin()
    with pytest.raises(peers.PeerMissing, match="pip install 'aiomqtt"):
        await peers.MqttBroker().publish("a", b"b")

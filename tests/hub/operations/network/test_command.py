"""`ilot network`, asked of the part itself, on python3-dbusmock's NetworkManager."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from hub.cli.network import network
from hub.operations.network import access_point, service
from hub.operations.network import manager as manager_module
from hub.rpc import control_socket

from .network_kit import NM_PATH, Mock, part, timesyncd, until
from .test_changes import plain

pytestmark = pytest.mark.real("processes")


async def ilot(state: Path, *arguments: str, stdin: str = "") -> Result:
    words = [*arguments, "--state-dir", str(state)]
    return await asyncio.to_thread(CliRunner().invoke, network, words, input=stdin)


def said(result: Result) -> Any:
    return json.loads(result.stdout)


async def test_an_address_is_given_shown_and_confirmed(tmp_path: Path, manager: Mock) -> None:
    async with part(tmp_path) as under, control_socket.serving(tmp_path / "hub.sock", under.network.calls()):
        words = ("set", "eth0", "--ipv4", "192.0.2.10/24", "--gateway", "192.0.2.1", "--dns", "192.0.2.53", "--json")
        would = said(await ilot(tmp_path, *words, "--dry-run"))
        assert would["would"]["ipv4"] == "192.0.2.10/24"
        assert not await manager.calls(NM_PATH, "CheckpointCreate")
        assert said(await ilot(tmp_path, *words))["confirm_s"] == 120
        shown = await ilot(tmp_path, "show", "--json")
        assert shown.exit_code == 6
        assert said(shown)["pending"]["interfaces"] == ["eth0"]
        text = await ilot(tmp_path, "show")
        assert "eth0" in text.stdout
        assert "ilot network confirm" in text.stderr
        assert said(await ilot(tmp_path, "confirm", "--json")) == {"interface": "eth0", "how": "confirmed"}
        wrong = await ilot(tmp_path, "confirm")
        assert isinstance(wrong.exception, control_socket.CallRefused)
        refused = await ilot(tmp_path, "set", "eth0", "--ipv4", "192.0.2.300/24")
        assert "192.0.2.300/24" in str(refused.exception)


async def test_a_key_comes_from_standard_input_and_is_in_no_output(tmp_path: Path, manager: Mock) -> None:
    key = "sept huit neuf"
    async with part(tmp_path) as under, control_socket.serving(tmp_path / "hub.sock", under.network.calls()):
        words = ("set", "wlan0", "--ssid", "École", "--key-file", "-", "--hidden")
        done = await ilot(tmp_path, *words, stdin=f"{key}\r\nmore\n")
        assert done.exit_code == 0, done.exception
        assert key not in done.output
        (profile,) = (plain(call[0]) for call in await manager.calls(f"{NM_PATH}/Settings", "AddConnection"))
        assert profile["802-11-wireless-security"]["psk"] == key
        await until(lambda: manager.calls(NM_PATH, "ActivateConnection"))
        assert said(await ilot(tmp_path, "revert", "--json"))["how"] == "taken back"
        missing = await ilot(tmp_path, "set", "wlan0", "--ssid", "x", "--key-file", str(tmp_path / "none"))
        assert missing.exit_code == 2


async def test_the_access_point_and_the_time_servers_have_their_commands(
    tmp_path: Path, manager: Mock, bus: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access_point, "has_wifi", lambda: True)
    monkeypatch.setattr(service, "has_wifi", lambda: True)
    monkeypatch.setattr(manager_module, "SCAN_S", 0.0)  # the mock's scan never ends
    async with (
        timesyncd(bus),
        part(tmp_path) as under,
        control_socket.serving(tmp_path / "hub.sock", under.network.calls()),
    ):
        shown = await ilot(tmp_path, "access-point", "show")
        assert under.network._own.facts.key in shown.stdout
        assert said(await ilot(tmp_path, "access-point", "show", "--json"))["code"].startswith("WIFI:T:WPA;S:Ilot-")
        assert (await ilot(tmp_path, "access-point", "off", "--new-key")).exit_code == 2
        assert said(await ilot(tmp_path, "access-point", "off", "--json")) == {"on": False}
        assert said(await ilot(tmp_path, "time", "192.0.2.9", "--json")) == {"servers": ["192.0.2.9"]}
        assert (await ilot(tmp_path, "time")).exit_code == 2
        assert said(await ilot(tmp_path, "time", "--system", "--json")) == {"servers": []}
        assert "wlan0" in (await ilot(tmp_path, "show")).stdout
        assert said(await ilot(tmp_path, "scan", "--json"))["interface"] == "wlan0"
        assert said(await ilot(tmp_path, "show", "--json"))["wanted_time_servers"] == []

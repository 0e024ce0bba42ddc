"""A hub remembers over a restart what its devices said, and signs a report that another machine checks."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from hub.cli.demo.scene import Scene
from hub.rpc.control_socket import call

from ..faults.rig import run
from .patience import PATIENCE_S

pytestmark = pytest.mark.real("clock, processes")


def ilot(*arguments: str | Path, code: int = 0) -> str:
    done = run(*arguments)
    assert done.returncode == code, done.stderr.decode()
    return done.stdout.decode()


def counted(socket: Path) -> float:
    """What the demo's meter counted by now, kWh."""
    if not any(one["series"] == "compteur/energy" for one in call(socket, "history.list")["series"]):
        return 0.0
    return sum(cell[1] or 0.0 for cell in call(socket, "history", series="compteur/energy", step="hour")["cells"])


def test_hours_outlive_a_restart_and_a_signed_report_is_checked_without_the_hub(tmp_path: Path) -> None:
    scene = Scene(tmp_path / "scene", lambda text: None)
    try:
        scene.prepare()
        socket = scene.state / "hub.sock"
        scene.start_hub()
        deadline = time.monotonic() + PATIENCE_S
        while not counted(socket):
            assert time.monotonic() < deadline, "the meter of the demo counts"
            time.sleep(0.5)
        [series] = [one for one in call(socket, "history.list")["series"] if one["series"] == "compteur/energy"]
        before = counted(socket)
        scene.stop("hub")
        hub = scene.start_hub()["hub"]
        assert counted(socket) >= before > 0
        assert series["since"] == next(
            one["since"] for one in call(socket, "history.list")["series"] if one["series"] == "compteur/energy"
        )
        listed = json.loads(ilot("energy", "--state-dir", scene.state, "--json"))["meters"]
        assert [(one["place"], one["serial"], one["drift"]["state"]) for one in listed] == [
            ("compteur", "A1", "no-outdoor")
        ]
        report = tmp_path / "r175.html"
        ilot("report", "r175", "--state-dir", scene.state, "-o", report)
        table = tmp_path / "operat.csv"
        ilot("report", "operat", "--state-dir", scene.state, "-o", table)
    finally:
        scene.close()
    assert json.loads(ilot("evidence", "verify", report, "--hub", hub, "--json"))["good"] is True
    assert json.loads(ilot("evidence", "verify", table, "--json"))["hub"] == hub
    report.write_bytes(report.read_bytes().replace(b"MID B", b"MID C"))
    ilot("evidence", "verify", report, code=7)
    ilot("evidence", "verify", table, "--hub", "hub-aaaaaaaaaaaaaaaa", code=7)

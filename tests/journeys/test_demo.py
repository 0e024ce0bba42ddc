"""The demo as a newcomer runs it: real protocols in, rows in the backend's database out."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any


def demo(*arguments: str) -> tuple[dict[str, Any], str]:
    done = subprocess.run(
        [sys.executable, "-m", "hub", "demo", "--json", *arguments], capture_output=True, timeout=120, check=False
    )
    said = done.stderr.decode()
    assert done.returncode == 0, said
    return json.loads(done.stdout), said


def test_readings_of_radio_bus_and_machine_arrive_and_none_is_lost():
    summary, said = demo("--seconds", "12")
    assert "claim code " in said
    assert "Three things to try" in said
    assert "backend cut off" not in said
    assert summary["integrations"] == dict.fromkeys(("host", "bluetooth", "modbus", "knx", "lorawan"), "running")
    assert summary["readings"] >= 40
    assert summary["rows"] == summary["readings"]
    assert (summary["lost"], summary["duplicates"]) == (0, 0)
    assert summary["first_ack_s"] <= 10


def test_while_the_backend_is_away_the_buffer_fills_and_then_drains_without_loss():
    summary, said = demo("--seconds", "20", "--outage", "8")
    assert "backend cut off" in said
    assert "backend returns" in said
    assert summary["most_buffered"] > 20, "the buffer was seen to fill"
    assert summary["rows"] == summary["readings"]
    assert (summary["lost"], summary["duplicates"]) == (0, 0)

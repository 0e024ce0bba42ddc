"""The demo as a newcomer runs it: real protocols in, rows in the backend's database out."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hub.cli.demo.scene import Scene

STUBBORN = """
import json, signal, subprocess, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print(json.dumps({"child": subprocess.Popen(["sleep", "600"]).pid}), flush=True)
time.sleep(600)
"""


def demo(*arguments: str) -> tuple[dict[str, Any], str]:
    """How it ended, and what it said. Nothing is lost or there twice, however long it took."""
    done = subprocess.run(
        [sys.executable, "-m", "hub", "demo", "--json", *arguments], capture_output=True, timeout=300, check=False
    )
    said = done.stderr.decode()
    assert done.returncode == 0, said
    summary = json.loads(done.stdout)
    assert summary["rows"] == summary["readings"]
    assert (summary["lost"], summary["duplicates"]) == (0, 0)
    lines = re.findall(r"(\d+) acked  .*?(?:(\d+) backend rows|backend not reachable)", said)
    assert lines, said
    assert [line for line in lines if line[1] and int(line[0]) > int(line[1])] == [], "an ack follows a commit"
    return summary, said


@pytest.mark.long("the demo with an outage is in the short run")
def test_readings_of_radio_bus_and_machine_arrive_and_none_is_lost():
    for seconds in ("12", "60"):  # the start is a part of it: a busy machine has the longer look
        summary, said = demo("--seconds", seconds)
        if summary["readings"] >= 40 and (summary["first_ack_s"] or 60) <= 10:
            break
    assert "claim code " in said
    assert "Three things to try" in said
    assert "backend cut off" not in said
    assert summary["integrations"] == dict.fromkeys(("host", "bluetooth", "modbus", "knx", "lorawan"), "running")
    assert summary["readings"] >= 40
    assert summary["first_ack_s"] <= (10 if seconds == "12" else 40)


def test_while_the_backend_is_away_the_buffer_fills_and_then_drains_without_loss():
    for seconds, outage in (("20", "8"), ("75", "60")):
        summary, said = demo("--seconds", seconds, "--outage", outage)
        assert "backend cut off" in said
        assert "backend returns" in said
        assert "backend not reachable" in said
        assert summary["integrations"] == dict.fromkeys(("host", "bluetooth", "modbus", "knx", "lorawan"), "running")
        if summary["most_buffered"] > 20:
            break
    assert summary["most_buffered"] > 20, "the buffer was seen to fill"


def test_a_process_that_does_not_end_is_killed_and_its_child_that_holds_its_output_is_not_waited_for(tmp_path: Path):
    scene = Scene(tmp_path, lambda text: None)
    child = scene._start("stubborn", "-c", STUBBORN)["child"]
    try:
        process = scene.processes["stubborn"]
        assert scene.stop("stubborn", timeout=0.5) == {}
        assert process.returncode == -signal.SIGKILL
        os.kill(child, 0)  # it is still there
    finally:
        os.kill(child, signal.SIGKILL)

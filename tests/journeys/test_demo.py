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

pytestmark = pytest.mark.real("processes")

ALL_RUN = dict.fromkeys(("host", "bluetooth", "modbus", "knx", "lorawan"), "running")
LINE = re.compile(r"(\d+) acked  .*?(?:(\d+) backend rows|backend not reachable)")
STUBBORN = """
import json, signal, subprocess, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print(json.dumps({"child": subprocess.Popen(["sleep", "600"]).pid}), flush=True)
time.sleep(600)
"""


def demo(*arguments: str) -> tuple[dict[str, Any], str]:
    """How it ended, and what it said. Nothing is lost or there twice, however long it took."""
    done = subprocess.run(
        [sys.executable, "-m", "hub", "demo", "--json", *arguments], capture_output=True, timeout=450, check=False
    )
    said = done.stderr.decode()
    assert done.returncode == 0, said
    summary = json.loads(done.stdout)
    assert summary["rows"] == summary["readings"]
    assert (summary["lost"], summary["duplicates"]) == (0, 0)
    lines = LINE.findall(said)
    assert [line for line in lines if line[1] and int(line[0]) > int(line[1])] == [], "an ack follows a commit"
    return summary, said


@pytest.mark.long("the demo with an outage is in the short run")
def test_readings_of_radio_bus_and_machine_arrive_and_none_is_lost():
    for seconds, ack_s in (("12", 10), ("150", 120)):  # the start is a part of it: a busy machine has the longer look
        summary, said = demo("--seconds", seconds)
        early = (summary["first_ack_s"] or 150) <= ack_s
        if LINE.search(said) and summary["readings"] >= 40 and early and summary["integrations"] == ALL_RUN:
            break
    assert LINE.search(said), said
    assert "claim code " in said
    assert "Three things to try" in said
    assert "backend cut off" not in said
    assert summary["integrations"] == ALL_RUN
    assert summary["readings"] >= 40
    assert early, summary["first_ack_s"]


def test_while_the_backend_is_away_the_buffer_fills_and_then_drains_without_loss():
    told = ("backend cut off", "backend returns", "backend not reachable")
    for seconds, outage in (("20", "8"), ("150", "100")):
        summary, said = demo("--seconds", seconds, "--outage", outage)
        whole = LINE.search(said) and all(one in said for one in told)
        if whole and summary["most_buffered"] > 20 and summary["integrations"] == ALL_RUN:
            break
    assert LINE.search(said), said
    assert [one for one in told if one not in said] == []
    assert summary["integrations"] == ALL_RUN
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

"""One hub and one backend, as an operator meets them: mistakes get a clear error and lose nothing."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from ..faults.rig import GENERATOR, Rig, ilot
from .patience import PATIENCE_S

pytestmark = [pytest.mark.real("clock, network, processes"), pytest.mark.long("starts whole hubs", of="tests/journeys")]


@pytest.fixture
def rig(tmp_path):
    rig = Rig(tmp_path)
    yield rig
    rig.close()


def status(rig: Rig) -> dict[str, Any]:
    """Exit code 6 (degraded) still prints the status."""
    done = subprocess.run(
        [sys.executable, "-m", "hub", "status", "--config", str(rig.config), "--json"], capture_output=True, check=False
    )
    assert done.returncode in (0, 6), done.stderr
    return json.loads(done.stdout)


def wait_for(condition, seconds=PATIENCE_S):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return
        time.sleep(0.1)
    raise AssertionError("it did not happen")


def test_sigterm_writes_and_delivers_even_what_nobody_asked_to_be_durable(rig):
    rig.start_hub(per_second=200)
    wait_for(lambda: len(rig.numbers(b"emit")) > 150)
    assert rig.stop(rig.hub) == 0
    rig.stop(rig.backend)
    verdict = rig.verdict("SIGTERM", 1)
    # The last emit may have been cancelled between the journal and the append: it is then told by nobody.
    assert verdict.stored >= 2 * (verdict.emitted - 1)
    assert verdict.held


def test_a_second_hub_on_the_same_state_directory_refuses_to_start_and_names_the_first(rig):
    first = rig.start_hub()
    second = subprocess.run(
        [sys.executable, "-m", "hub", "run", "--config", str(rig.config)],
        capture_output=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert second.returncode == 7
    assert f"another hub (process {first.pid})" in second.stderr.decode()
    assert first.poll() is None


def test_an_invalid_file_leaves_the_last_good_configuration_running_and_says_so(rig):
    rig.start_hub()
    rig.stop(rig.hub)
    good = rig.config.read_text()
    rig.config.write_text(good.replace("integrations: {faults: {}}", "integrations: {faults: {intervall: 5}}"))
    check = subprocess.run(
        [sys.executable, "-m", "hub", "check", "--config", str(rig.config)], capture_output=True, check=False
    )
    assert check.returncode == 3
    rig.start_hub()
    now = status(rig)
    assert any("intervall" in problem for problem in now["configuration"])
    assert any("last good one runs" in sentence for sentence in now["degraded"])
    wait_for(lambda: status(rig)["readings"] > 0)


def test_an_invalid_file_with_no_last_good_one_stops_with_the_line_and_exit_code_3(rig):
    rig.config.write_text(rig.config.read_text().replace("hub: {name", "hub: {nam"))
    done = subprocess.run(
        [sys.executable, str(GENERATOR), str(rig.config), str(rig.journal)], capture_output=True, check=False
    )
    assert done.returncode != 0
    assert b"config.yaml:1:" in done.stderr
    assert b"did you mean name" in done.stderr


def test_a_backend_with_another_owners_certificate_is_refused_named_and_nothing_is_lost(rig, tmp_path):
    stranger = Path(tmp_path) / "stranger"
    stranger.mkdir()
    rig.stop(rig.backend)
    ilot("backend", "init", str(stranger / "backend"), "--json")
    impostor = subprocess.Popen(
        [sys.executable, "-m", "hub", "backend", "run", str(stranger / "backend"), "--port", str(rig._port), "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    try:
        impostor.stdout.readline()
        rig.start_hub(per_second=100)
        wait_for(lambda: "certificate" in (status(rig)["link"]["error"] or ""))
        assert status(rig)["link"]["acked"] == 0
        rig.wait_durable(6)
    finally:
        impostor.send_signal(signal.SIGKILL)
        impostor.communicate()
    rig.stop(rig.hub)
    rig.start_backend()
    rig.settle()
    verdict = rig.verdict("impostor", 1)
    assert verdict.durable > 5
    assert verdict.held


def devices(rig: Rig) -> dict[str, str]:
    """The id of the device at each place."""
    return {d["place"]: d["id"] for d in ilot("devices", "--config", str(rig.config), "--json")["devices"]}


def test_a_replaced_device_goes_on_in_the_same_series(rig):
    rig.start_hub(per_second=50)
    wait_for(lambda: status(rig)["link"]["acked"] > 10)
    replace = ("device", "replace", "faults:generator", "faults:new", "--config", str(rig.config), "--json")
    dry = ilot(*replace, "--dry-run")
    assert dry == {
        "device": "faults:new", "place": "generator", "zone": "bench", "replaced": "faults:generator", "keyed": False,
    }  # fmt: skip
    assert devices(rig)["generator"] == "faults:generator"
    ilot(*replace)
    heard = ("quarantine", "list", "--config", str(rig.config), "--json")
    for _ in range(2):  # now, and after a restart, though the file still names the former id
        assert devices(rig)["generator"] == "faults:new"
        wait_for(lambda: [one["id"] for one in ilot(*heard)["retired"]] == ["faults:generator"])
        assert status(rig)["quarantine"] == []
        rig.stop(rig.hub)
        rig.start_hub(per_second=50)


def test_a_stopped_hub_says_so_with_exit_code_4(rig):
    done = subprocess.run(
        [sys.executable, "-m", "hub", "status", "--config", str(rig.config)], capture_output=True, check=False
    )
    assert done.returncode == 4
    assert b"no hub answers" in done.stderr


def test_the_buffer_can_be_verified_exported_and_opened_with_the_recovery_key(rig, tmp_path):
    rig.stop(rig.backend)
    rig.start_hub(per_second=200)
    rig.wait_durable(6)
    rig.kill(rig.hub)
    out = tmp_path / "exported.ilot"
    verify = subprocess.run(
        [sys.executable, "-m", "hub", "buffer", "verify", "--config", str(rig.config), "--json"],
        capture_output=True,
        check=False,
    )
    assert verify.returncode == 0
    assert sum(segment["readings"] for segment in json.loads(verify.stdout)) >= 2 * len(rig.numbers(b"durable"))
    exported = ilot("buffer", "export", str(out), "--config", str(rig.config), "--json")
    assert exported["records"] > 0
    opened = subprocess.run(
        [
            sys.executable,
            "-m",
            "hub",
            "backend",
            "open",
            str(out),
            "--key-file",
            str(rig.backend_dir / "recovery.key"),
            "--json",
        ],
        capture_output=True,
        check=False,
    )
    assert opened.returncode == 0, opened.stderr
    told = [json.loads(line) for line in opened.stdout.splitlines()]
    seen = {report["values"]["uptime"] for block in told for report in block.get("reports", ())}
    assert rig.numbers(b"durable") <= seen


def test_status_tells_the_traffic_of_the_month_and_the_buffer_its_autonomy_once_there_is_a_rate(rig):
    rig.config.write_text(rig.config.read_text().replace("link: {", "link: {metered: true, "))
    rig.start_hub(per_second=50)
    wait_for(lambda: min(status(rig)["link"]["month"][way] for way in ("up", "down")) > 1000)  # TLS, the first state
    wait_for(lambda: status(rig)["link"]["waiting"]["held"] > 5)
    now = status(rig)
    assert now["link"]["metered"]
    assert (now["buffer"]["autonomy_s"], now["buffer"]["autonomy"]) == (None, ""), "too young for a rate"
    command = [sys.executable, "-m", "hub", "buffer", "status", "--config", str(rig.config)]
    said = subprocess.run(command, capture_output=True, check=True).stdout.decode()
    assert "metered, 20" in said
    assert "not known before 10 minutes" in said
    assert rig.stop(rig.hub) == 0
    rig.start_hub(per_second=50)
    month = now["link"]["month"]

    def goes_on() -> bool:
        later = status(rig)["link"]["month"]
        return later["up"] > month["up"] + 1000 or later["month"] != month["month"]  # the month ended just now

    wait_for(goes_on)

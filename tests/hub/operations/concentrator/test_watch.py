"""Each fault of a concentrator is named, from recorded answers of the machine and lines of the forwarder's source."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.operations.concentrator import log_faults, watch
from hub.operations.concentrator.fault_texts import TEXTS
from hub.operations.concentrator.watch import Heard, judge
from tests.hub.operations.concentrator.radio_kit import STARTED, log, machine, planned, stick

FINE = Heard(listed=True, quiet_s=4.0, known=True)


def codes(here: watch.Machine, heard: Heard | None = FINE, *, state: str = "") -> list[str]:
    return [one.code for one in judge(here, heard) if not state or one.state == state]


def test_a_concentrator_in_service_has_no_fault(tmp_path: Path) -> None:
    here = machine(tmp_path)
    planned(here)
    log(here, *STARTED, "[S2E:VERB] RX 868.1MHz DR5 SF7/BW125 snr=9.2 rssi=-61 xtime=0x2600000A - updf mhdr=40")
    assert [(one.code, one.state) for one in judge(here, FINE)] == [
        ("device", "ok"), ("running", "ok"), ("started", "ok"), ("heard", "ok"),
    ]  # fmt: skip
    assert log_faults.read(here.log_lines()).received == 1


LINES = {
    "chip-zero": ("[HAL:INFO] [lgw_connect:1192] chip version is 0x00 (v0.0)",
                  "[HAL:ERRO] [lgw_start:897] Failed to set SX1250_0 in STANDBY_RC mode",
                  "[RAL:ERRO] Concentrator start failed: lgw_start"),
    "chip-wrong": ("[HAL:ERRO] [lgw_connect:527] NOT EXPECTED CHIP VERSION (v130)",
                   "[RAL:ERRO] Concentrator start failed: lgw_start"),
    "in-use": ("[SYS:CRIT] Radio device '/dev/spidev0.0' in use by process: 812",),
    "no-i2c": ("[HAL:ERRO] [lgw_start:1105] failed to open I2C for temperature sensor on port 0x39",
               "[RAL:ERRO] Concentrator start failed: lgw_start"),
    "no-sensor": ("[HAL:INFO] [lgw_start:1111] no temperature sensor found on port 0x39",
                  "[HAL:ERRO] [lgw_start:1120] no temperature sensor found.",
                  "[RAL:ERRO] Concentrator start failed: lgw_start"),
    "not-opened": (
        "[HAL:ERRO] [lgw_connect:1182] CONNECTING CONCENTRATOR FAILED",
        "[RAL:ERRO] Concentrator start failed: lgw_start",
    ),
    "start-failed": ("[RAL:ERRO] Concentrator start failed: lgw_start",),
    "not-listed": ("[TCE:ERRO] Infos error: 16:c001:ff10:d3e5 this gateway is not on the hub's list",),
    "wrong-token": ("[AIO:ERRO] [7] WS upgrade failed with HTTP status code: 401",),
    "certificate": (("[AIO:INFO] TLS server certificate verification failed: The certificate Common Name (CN) does not "
                    "match with the expected CN"),),
    "not-listening": ("[AIO:ERRO] [-1] WS connect failed: NET - The connection to the given server / port failed",
                      "[TCE:ERRO] TC connect failed - URI: ws://127.0.0.1:3001"),
    "region": ("[S2E:WARN] Unrecognized region: EU433 - ignored",),
}  # fmt: skip


@pytest.mark.parametrize(("fault", "lines"), LINES.items())
def test_the_log_names_the_fault_and_not_its_consequence(tmp_path: Path, fault: str, lines: tuple[str, ...]) -> None:
    here = machine(tmp_path)
    planned(here)
    log(here, *lines)
    assert codes(here, state="wrong") == [fault]
    assert next(one.remedy for one in judge(here, FINE) if one.code == fault), "it says what to do"


NOTES = {
    "clock": "[SYN:WARN] Repeated excessive clock drifts between MCU/SX130X#0 (3 retries): 120.4ppm (threshold 100ppm)",
    "no-pps": "[SYN:WARN] No PPS pulse for ~320 secs",
    "tx-refused": "[S2E:WARN] ::1 diid=77 - unable to place frame",
    "duty-cycle": "[S2E:VERB] ::1 diid=78 868.1MHz - no DC in band: txtime=08:00:01.000 free=08:00:40.000",
}


@pytest.mark.parametrize(("note", "line"), NOTES.items())
def test_what_goes_wrong_in_service_is_a_note(tmp_path: Path, note: str, line: str) -> None:
    here = machine(tmp_path)
    planned(here)
    log(here, *STARTED, line, line)
    assert codes(here, state="note") == [note]
    assert log_faults.read(here.log_lines()).counts[note] == 2


def test_a_later_start_that_succeeds_ends_what_was_before(tmp_path: Path) -> None:
    here = machine(tmp_path)
    planned(here)
    log(here, *LINES["chip-zero"], *LINES["not-listening"], *STARTED)
    assert codes(here, state="wrong") == []
    log(here, *STARTED, "[SYS:INFO] Station EUI : 16:c001:ff10:d3e5", *LINES["chip-zero"])
    assert codes(here, state="wrong") == ["chip-zero"]


def test_without_spi_the_line_for_the_firmware_is_said(tmp_path: Path) -> None:
    here = machine(tmp_path)
    planned(here)
    (tmp_path / "sys/class/spidev/spidev0.0").rmdir()
    found = next(one for one in judge(here, FINE) if one.code == "no-spi")
    assert "dtparam=spi=on" in found.remedy
    assert "/boot/firmware/config.txt" in found.remedy


def test_a_stick_that_was_pulled_out_is_missed(tmp_path: Path) -> None:
    here = machine(tmp_path)
    planned(here, "rak5146-usb")
    assert "no-usb" in codes(here, state="wrong")
    stick(tmp_path, "ttyACM0", "0483:5740", "RAKwireless", "RAK5146")
    assert "no-usb" not in codes(here, state="wrong")


@pytest.mark.parametrize(
    ("unit", "code"),
    [
        ({}, "no-unit"),
        ({"LoadState": "not-found", "ActiveState": "inactive"}, "no-unit"),
        ({"LoadState": "loaded", "ActiveState": "failed", "SubState": "failed", "NRestarts": "0"}, "not-running"),
        (
            {"LoadState": "loaded", "ActiveState": "activating", "SubState": "auto-restart", "NRestarts": "31"},
            "flapping",
        ),
        ({"LoadState": "loaded", "ActiveState": "active", "SubState": "running", "NRestarts": "9"}, "flapping"),
    ],
)
def test_a_forwarder_that_does_not_run_is_said(tmp_path: Path, unit: dict[str, str], code: str) -> None:
    here = machine(tmp_path, unit=unit)
    planned(here)
    assert codes(here, state="wrong") == [code]


def test_a_forwarder_that_is_not_installed_is_said_first(tmp_path: Path) -> None:
    here = machine(tmp_path, installed=False)
    planned(here)
    assert codes(here, state="wrong") == ["no-forwarder"]


def test_another_process_that_holds_the_device_is_named(tmp_path: Path) -> None:
    here = machine(tmp_path, held=[(4711, "station-sx1302"), (812, "lora_pkt_fwd")])
    planned(here)
    found = next(one for one in judge(here, FINE) if one.code == "in-use")
    assert "812 (lora_pkt_fwd)" in found.says


@pytest.mark.parametrize(
    ("heard", "code", "state"),
    [
        (Heard(), "not-listed", "wrong"),
        (Heard(listed=True), "never-heard", "wrong"),
        (Heard(listed=True, known=True, quiet_s=4000.0), "nothing-heard", "note"),
        (Heard(listed=True, known=True, quiet_s=1.0, duty_spent=("P",)), "airtime", "note"),
        (Heard(listed=True, known=True, quiet_s=1.0, displaced=7), "eui-double", "wrong"),
        (None, "no-hub", "note"),
    ],
)
def test_what_the_hub_hears_is_judged_last(tmp_path: Path, heard: Heard | None, code: str, state: str) -> None:
    here = machine(tmp_path)
    planned(here)
    log(here, *STARTED)
    assert code in codes(here, heard, state=state)


def test_a_machine_without_a_plan_says_what_is_possible(tmp_path: Path) -> None:
    here = machine(tmp_path)
    assert codes(here, state="note") == ["not-set-up"]
    here.plan.write_text("{")
    assert codes(here, state="wrong") == ["plan"]


def test_every_fault_of_a_log_has_its_sentence() -> None:
    assert set(TEXTS) == {kind for kind, _ in log_faults._SIGNS}


@given(st.lists(st.text(max_size=1200), max_size=20))
def test_whatever_stands_in_a_log_is_read(lines: list[str]) -> None:
    head = "2026-11-30 08:00:00.123 [RAL:ERRO] "
    story = log_faults.read([*lines, *(head + line for line in lines)])
    assert all(len(detail) <= 200 for detail in story.faults.values())


def test_a_forwarder_that_another_server_configured_has_the_wrong_region(tmp_path: Path) -> None:
    here = machine(tmp_path)
    planned(here)
    log(here, *STARTED[:-1], "[S2E:INFO] Configuring for region: US915 -- 902MHz..928MHz")
    assert codes(here, state="wrong") == ["region"]


def test_a_device_that_the_forwarders_groups_may_not_open_is_said(tmp_path: Path) -> None:
    here = machine(tmp_path)
    device = tmp_path / "spidev0.0"
    device.touch()
    device.chmod(0o600)
    assert here.denied(str(device))
    device.chmod(0o666)
    assert not here.denied(str(device))
    assert not here.denied(str(tmp_path / "gone"))

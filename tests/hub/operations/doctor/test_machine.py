"""What a driver or a USB stick puts under /sys and /proc is bounded, and a number only where it is one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.core import time_server
from hub.operations.doctor import bluez, board, serial_ports, service, storage, timekeeping
from hub.operations.doctor.findings import NOTE, OK, WRONG
from hub.operations.doctor.machine import MOST_BYTES, MOST_NAMES, MOST_SHOWN, Machine, whole_number

from .machine_kit import command, tree, write

NAMES = (
    "sys/class/thermal/thermal_zone0/temp", "sys/class/hwmon/hwmon0/name", "sys/class/hwmon/hwmon0/in0_lcrit_alarm",
    "sys/devices/platform/soc/soc:firmware/get_throttled", "proc/meminfo", "proc/uptime", "proc/self/mountinfo",
    "sys/fs/cgroup/system.slice/ilot.service/memory.events", "sys/class/rtc/rtc0/name", "etc/timezone",
    "sys/class/rtc/rtc0/battery_voltage", "sys/class/rfkill/rfkill0/type", "sys/class/rfkill/rfkill0/soft",
    "sys/class/bluetooth/hci0/address", "etc/systemd/system/ilot.service", "etc/systemd/system/ilot.service.d/a.conf",
)  # fmt: skip


@given(st.binary(max_size=300), st.sampled_from(NAMES))
def test_whatever_a_file_holds_every_look_at_a_machine_ends_in_findings(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, name: str
) -> None:
    root = tmp_path_factory.mktemp("m")
    machine = tree(root, {"type": "SD", "name": "x"}, {"errors_count": "0"})
    for other in NAMES:
        write(root, {other: "1\n"})
    (root / name).write_bytes(content)
    for card in ("date", "life_time", "pre_eol_info", "name"):
        (root / "sys/dev/block/179:2").resolve().parent.joinpath("device", card).write_bytes(content)
    unit = service.installed(machine)
    for found in (
        *board.look(machine), *timekeeping.look(machine, None), *bluez.look(machine), *service.look(machine, unit),
        *storage.look(machine, Path("/var/lib/ilot"), 1.8e9), timekeeping.look_at_zone(machine, ["Europe/Paris"]),
    ):  # fmt: skip
        assert found.state in (OK, NOTE, WRONG)
        assert len(found.says) < 2000
        assert str(found.says).replace("\n", "").isprintable()


@given(st.text(max_size=40))
def test_a_number_is_one_only_where_all_of_the_word_is(word: str) -> None:
    found = whole_number(word)
    assert found is None or -(1 << 63) < found < 1 << 63


def test_a_file_without_an_end_a_pipe_and_a_thousand_names_are_bounded(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    (tmp_path / "large").write_bytes(b"a\x1b[2J" * 1_000_000)
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zero").symlink_to("/dev/zero")
    assert len(machine.text("/large")) <= MOST_BYTES
    assert "\x1b" not in machine.text("/large")
    assert len(machine.word("/large")) == MOST_SHOWN
    assert machine.text("/pipe") == machine.text("/zero") == machine.text("/nothing") == ""
    for number in range(MOST_NAMES + 50):
        (tmp_path / f"n{number}").touch()
    assert len(machine.names("/n*")) == MOST_NAMES


@pytest.mark.real("processes")
def test_a_command_that_hangs_fails_or_is_not_there_says_nothing(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    command(tmp_path, "hangs", "exec sleep 60")
    command(tmp_path, "fails", "echo no; exit 1")
    command(tmp_path, "says", "echo yes")
    assert machine.ask("hangs", seconds=0.05) is machine.ask("fails") is machine.ask("absent") is None
    assert machine.ask("says", seconds=60.0) == "yes\n"


@pytest.mark.parametrize(
    ("bits", "state", "code"),
    [
        ("0", OK, "voltage-enough"),
        ("50005", WRONG, "voltage-too-low"),
        ("50000", NOTE, "voltage-was-too-low"),
        ("80000", OK, "voltage-enough"),
    ],
)
def test_the_bits_of_a_raspberry_pi_tell_of_its_supply(tmp_path: Path, bits: str, state: str, code: str) -> None:
    write(tmp_path, {"sys/devices/platform/soc/soc:firmware/get_throttled": f"{bits}\n"})
    found = list(board.look(Machine(tmp_path)))
    assert (found[0].state, found[0].says.code) == (state, code)  # type: ignore[attr-defined]
    assert bool(found[0].remedy) == (state != OK)
    assert (len(found) > 1) == (bits == "80000"), "heat is told where the voltage was enough"


@pytest.mark.real("processes")
def test_where_there_is_no_file_of_the_firmware_vcgencmd_and_hwmon_are_asked(tmp_path: Path) -> None:
    command(tmp_path, "vcgencmd", "echo throttled=0x50005")
    assert next(board.look(Machine(tmp_path))).state == WRONG
    command(tmp_path, "vcgencmd", "echo VCHI initialization failed; exit 255")
    assert next(board.look(Machine(tmp_path))).says.code == "power-not-told"  # type: ignore[attr-defined]
    write(tmp_path, {"sys/class/hwmon/hwmon1/name": "rpi_volt\n", "sys/class/hwmon/hwmon1/in0_lcrit_alarm": "1\n"})
    assert next(board.look(Machine(tmp_path))).state == WRONG


@pytest.mark.parametrize(("degrees", "state"), [(40, OK), (76, NOTE), (85, WRONG), (900, None)])
def test_a_hot_board_is_told(tmp_path: Path, degrees: int, state: str | None) -> None:
    write(tmp_path, {"sys/class/thermal/thermal_zone0/temp": f"{degrees}000\n"})
    found = [one for one in board.look(Machine(tmp_path)) if one.what == "temperature"]
    assert [one.state for one in found] == ([] if state is None else [state])


def test_memory_that_is_short_and_a_hub_that_was_killed_for_it_are_told(tmp_path: Path) -> None:
    write(tmp_path, {
        "proc/meminfo": "MemTotal:  948304 kB\nMemAvailable:  20000 kB\n",
        "sys/fs/cgroup/system.slice/ilot.service/memory.events": "low 0\nmax 3\noom 2\noom_kill 2\n",
    })  # fmt: skip
    short, killed = (one for one in board.look(Machine(tmp_path)) if one.what == "memory")
    assert (short.state, killed.state) == (WRONG, WRONG)
    assert killed.says.startswith("2 processes")


@pytest.mark.parametrize(("state", "kept"), [(0, True), (1, True), (5, False), (-1, None)])
def test_the_kernel_is_asked_whether_a_time_server_keeps_the_clock(
    monkeypatch: pytest.MonkeyPatch, state: int, kept: bool | None
) -> None:
    assert time_server.is_clock_synchronised() in (True, False, None)

    class Library:
        @staticmethod
        def adjtimex(_: object) -> int:
            return state

    monkeypatch.setattr(time_server.ctypes, "CDLL", lambda _: Library)
    assert time_server.is_clock_synchronised() is kept


@pytest.mark.real("processes")
@pytest.mark.parametrize(
    ("kernel", "systemd", "kept"),
    [
        (None, "echo yes", True),
        (None, "echo no", False),
        (None, "echo maybe", None),
        (None, "exit 1", None),
        (False, "echo yes", False),
        (True, "echo no", True),
    ],
)
def test_systemd_is_asked_where_the_kernel_is_not_to_be_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kernel: bool | None, systemd: str, kept: bool | None
) -> None:
    monkeypatch.setattr(timekeeping, "is_clock_synchronised", lambda: kernel)
    command(tmp_path, "timedatectl", systemd)
    assert timekeeping.synchronised(Machine(tmp_path)) is kept


@pytest.mark.parametrize(
    ("files", "kept", "state"),
    [
        ({}, True, OK),
        ({}, False, NOTE),
        ({"name": "rpi-rtc", "battery_voltage": "3070082"}, False, OK),
        ({"name": "rpi-rtc", "battery_voltage": "1400000"}, True, NOTE),
        ({"name": "rpi-rtc", "battery_voltage": "1000"}, True, OK),
        ({"name": "rpi-rtc", "battery_voltage": "1000"}, False, NOTE),
        ({"name": "rtc-ds1307"}, None, OK),
    ],
)
def test_a_clock_without_a_cell_matters_where_no_time_server_is_in_reach(
    tmp_path: Path, files: dict[str, str], kept: bool | None, state: str
) -> None:
    write(tmp_path, {f"sys/class/rtc/rtc0/{name}": text for name, text in files.items()})
    _, server, rtc = timekeeping.look(Machine(tmp_path), kept)
    assert rtc.state == state
    assert bool(rtc.remedy) == (state != OK)
    assert server.state == (OK if kept else NOTE)


@pytest.mark.parametrize(
    ("link", "state"), [("/usr/share/zoneinfo/Europe/Paris", OK), ("../usr/share/zoneinfo/Etc/UTC", NOTE), ("", NOTE)]
)
def test_a_time_zone_that_is_not_the_sites_is_told(tmp_path: Path, link: str, state: str) -> None:
    (tmp_path / "etc").mkdir()
    if link:
        (tmp_path / "etc/localtime").symlink_to(link)
    found = timekeeping.look_at_zone(Machine(tmp_path), {"Europe/Paris"})
    assert found.state == state
    assert ("set-timezone Europe/Paris" in found.remedy) == (state != OK)


@pytest.mark.parametrize(
    ("files", "codes"),
    [
        ({}, ["no-bluetooth-adapter"]),
        ({"sys/class/bluetooth/hci0/x": ""}, ["bluez-not-asked"]),
        (
            {"sys/class/bluetooth/hci0/x": "", "sys/class/rfkill/rfkill0/type": "bluetooth\n",
             "sys/class/rfkill/rfkill0/name": "hci0\n", "sys/class/rfkill/rfkill0/soft": "1\n"},
            ["radio-blocked", "bluez-not-asked"],
        ),
    ],
)  # fmt: skip
def test_bluetooth_that_is_absent_or_blocked_is_named(tmp_path: Path, files: dict[str, str], codes: list[str]) -> None:
    write(tmp_path, files)
    assert [one.says.code for one in bluez.look(Machine(tmp_path))] == codes  # type: ignore[attr-defined]


@pytest.mark.real("processes")
@pytest.mark.parametrize(
    ("script", "code"),
    [("echo b true", "adapter-ready"), ("echo b false", "adapter-without-power"), ("exit 1", "bluez-silent")],
)
def test_bluez_is_asked_for_the_power_of_an_adapter(tmp_path: Path, script: str, code: str) -> None:
    write(tmp_path, {"sys/class/bluetooth/hci0/x": ""})
    command(tmp_path, "busctl", script)
    (found,) = bluez.look(Machine(tmp_path))
    assert found.says.code == code  # type: ignore[attr-defined]


def test_device_files_are_found_at_any_depth_of_the_options_and_no_further_than_that() -> None:
    deep: object = "/dev/deep"
    for _ in range(9):
        deep = {"a": deep}
    options = {"port": "/dev/ttyUSB0", "list": [{"p": "/dev/ttyAMA0"}], "host": "tcp://h:1", "deep": deep}
    assert serial_ports.ports_of([("x", options), ("y", "/dev/ttyUSB0")]) == {"/dev/ttyUSB0": "x", "/dev/ttyAMA0": "x"}

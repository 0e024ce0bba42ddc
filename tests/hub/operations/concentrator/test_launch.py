"""The launcher: lines, reset, files, and the forwarder in its place."""

from __future__ import annotations

import ctypes
import json
import os
import stat
from pathlib import Path

import pytest

from hub.core.errors import ConfigError, HubError, NotReady
from hub.operations.concentrator import gpio, launch, store
from tests.hub.operations.concentrator.radio_kit import EUI, machine, planned

# linux/gpio.h, written anew from the header


class Attribute(ctypes.Structure):
    _fields_ = (("id", ctypes.c_uint32), ("padding", ctypes.c_uint32), ("value", ctypes.c_uint64),
                ("mask", ctypes.c_uint64))  # fmt: skip


class Config(ctypes.Structure):
    _fields_ = (("flags", ctypes.c_uint64), ("num_attrs", ctypes.c_uint32), ("padding", ctypes.c_uint32 * 5),
                ("attrs", Attribute * 10))  # fmt: skip


class Request(ctypes.Structure):
    _fields_ = (("offsets", ctypes.c_uint32 * 64), ("consumer", ctypes.c_char * 32), ("config", Config),
                ("num_lines", ctypes.c_uint32), ("event_buffer_size", ctypes.c_uint32),
                ("padding", ctypes.c_uint32 * 5), ("fd", ctypes.c_int32))  # fmt: skip


class Values(ctypes.Structure):
    _fields_ = (("bits", ctypes.c_uint64), ("mask", ctypes.c_uint64))


class Info(ctypes.Structure):
    _fields_ = (("name", ctypes.c_char * 32), ("label", ctypes.c_char * 32), ("lines", ctypes.c_uint32))


class Kernel:
    """The kernel's side of the interface: chips by path, and what was set on which line."""

    def __init__(self, dev: Path, *labels: str, busy: bool = False) -> None:
        self.labels, self.busy = {}, busy
        self.asked: tuple[str, list[int]] = ("", [])
        self.steps: list[tuple[int, int]] = []
        self.lines = os.open("/dev/null", os.O_RDWR)
        for n, label in enumerate(labels):
            path = dev / f"gpiochip{n}"
            path.touch()
            self.labels[path.stat().st_ino] = label

    def __call__(self, descriptor: int, number: int, buffer: bytearray) -> int:
        if number == 0xC010B40F:  # GPIO_V2_LINE_SET_VALUES_IOCTL
            assert descriptor == self.lines
            said = Values.from_buffer(buffer)
            pins = self.asked[1]
            self.steps += [(pin, said.bits >> n & 1) for n, pin in enumerate(pins) if said.mask >> n & 1]
            return 0
        label = self.labels[os.fstat(descriptor).st_ino]
        if number == 0x8044B401:  # GPIO_GET_CHIPINFO_IOCTL
            Info.from_buffer(buffer).label = label.encode()
            return 0
        assert number == 0xC250B407  # GPIO_V2_GET_LINE_IOCTL
        if self.busy:
            raise OSError(16, "Device or resource busy")
        request = Request.from_buffer(buffer)
        assert request.config.flags == 8
        assert request.config.num_attrs == 0
        assert bytes(request.padding) == bytes(20)
        assert bytes(request.config.padding) == bytes(20)
        self.asked = (label, list(request.offsets[: request.num_lines]))
        request.fd = self.lines
        return 0


def test_the_chip_with_the_header_is_found_on_every_board(tmp_path: Path) -> None:
    for n, labels in enumerate((
        ("pinctrl-bcm2711", "raspberrypi-exp-gpio"),
        ("gpio-brcmstb@107d508500", "gpio-brcmstb@107d508520", "pinctrl-bcm2835", "x", "pinctrl-rp1"),
    )):  # fmt: skip
        dev = tmp_path / str(n)
        dev.mkdir()
        kernel = Kernel(dev, *labels)
        gpio.Lines([17], kernel, dev)
        assert kernel.asked == (labels[-1] if n else labels[0], [17])


def test_power_comes_first_then_a_high_pulse_of_reset_then_a_low_one_of_the_sx1261(tmp_path: Path) -> None:
    kernel = Kernel(tmp_path, "pinctrl-rp1")
    lines = gpio.Lines([5, 17, 18], kernel, tmp_path)
    pauses: list[float] = []
    launch.reset(lines, {"reset": 17, "power": 18, "sx1261_reset": 5}, pauses.append)
    assert kernel.steps == [(18, 1), (17, 1), (17, 0), (5, 0), (5, 1)]
    assert len(pauses) == 5


def test_lines_that_cannot_be_had_are_said(tmp_path: Path) -> None:
    with pytest.raises(NotReady):
        gpio.Lines([17], Kernel(tmp_path, "a-chip-of-something-else"), tmp_path)
    busy = tmp_path / "busy"
    busy.mkdir()
    with pytest.raises(NotReady) as caught:
        gpio.Lines([17], Kernel(busy, "pinctrl-rp1", busy=True), busy)
    assert "GPIO 17" in str(caught.value)
    with pytest.raises(HubError):
        gpio.Lines([17], Kernel(tmp_path / "busy"), tmp_path / "none")


def test_the_forwarder_starts_with_its_files_the_true_device_and_the_lines_held(tmp_path: Path) -> None:
    here = machine(tmp_path)
    document = planned(here, "wm1302")
    (tmp_path / "ttyACM7").touch()
    by_id = tmp_path / "by-id"
    by_id.symlink_to(tmp_path / "ttyACM7")
    document["device"] = str(by_id)
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "station-sx1302").write_text("")
    (programs / "station-sx1302").chmod(0o755)
    runtime = tmp_path / "run"
    runtime.mkdir()
    kernel = Kernel(tmp_path, "pinctrl-bcm2711")
    became: list[list[str]] = []

    def read(path: Path) -> dict[str, object]:
        return document

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(launch, "read", read)
        patch.setattr(launch, "STEP_S", 0.0)
        launch.launch(
            here.plan, lambda pins: gpio.Lines(pins, kernel, tmp_path), lambda _path, words: became.append(words),
            runtime=runtime, forwarders=programs,
        )  # fmt: skip
    home = str(runtime / "home")
    assert became == [[str(programs / "station-sx1302"), "--home", home, "--temp", home]]
    conf = json.loads((runtime / "home/station.conf").read_text())
    assert conf["SX1302_conf"]["device"] == f"spi:{tmp_path}/ttyACM7"
    assert (runtime / "home/tc.uri").read_text() == "ws://127.0.0.1:3001\n"
    assert stat.S_IMODE((runtime / "home").stat().st_mode) == 0o700
    assert os.get_inheritable(kernel.lines), "the lines stay as they are while the forwarder runs"
    assert kernel.steps[0] == (18, 1)


def test_without_plan_program_or_device_nothing_is_started(tmp_path: Path) -> None:
    here = machine(tmp_path)
    with pytest.raises(ConfigError):
        launch.launch(here.plan, lambda pins: pytest.fail("no line is asked for"), forwarders=tmp_path)
    planned(here)
    with pytest.raises(NotReady, match="station-sx1302"):
        launch.launch(here.plan, lambda pins: pytest.fail("no line is asked for"), forwarders=tmp_path)
    (tmp_path / "station-sx1302").touch(mode=0o755)
    with pytest.raises(NotReady, match=r"spidev0\.0"):
        launch.launch(here.plan, lambda pins: pytest.fail("no line is asked for"), forwarders=tmp_path)


@pytest.mark.parametrize(
    "text",
    [b"", b"\xff", b"[]", b"{}", b'{"version": 1}', b"[" * 60000, b" " * 70000,
     json.dumps({"version": 1, "family": "sx1302", "model": "m", "eui": EUI, "device": "/dev/x", "lines": {"reset": 99},
                 "files": {"station.conf": "", "tc.uri": ""}}).encode(),
     json.dumps({"version": 1, "family": "sx1302", "model": "m", "eui": EUI, "device": "/dev/x", "lines": {},
                 "files": {"station.conf": "", "tc.uri": "", "../x": ""}}).encode()],
)  # fmt: skip
def test_a_file_that_is_no_plan_is_refused(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "radio.json").write_bytes(text)
    with pytest.raises(ConfigError):
        store.read(tmp_path / "radio.json")


@pytest.mark.parametrize(
    "conf", ["", "[]", "{", '{"SX1302_conf": []}', '{"SX1302_conf": {}}', '{"station_conf": {}}', "[" * 9000]
)
def test_a_plan_whose_station_conf_is_none_is_refused(tmp_path: Path, conf: str) -> None:
    here = machine(tmp_path)
    document = planned(here)
    document["files"]["station.conf"] = conf
    here.plan.write_text(json.dumps(document))
    with pytest.raises(ConfigError):
        store.read(here.plan)

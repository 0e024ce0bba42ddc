"""What a machine shows of its radios, from trees as the kernel makes them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.operations.concentrator.detect import look
from tests.hub.operations.concentrator.radio_kit import board, put, stick


def test_a_hat_that_names_itself_is_known_at_once(tmp_path: Path) -> None:
    found = look(board(tmp_path, hat=("RAKwireless", "RAK5146 Pi HAT")))
    assert found.hat == "RAKwireless RAK5146 Pi HAT"
    certain = found.certain()
    assert certain is not None
    assert certain.key == "rak5146"
    assert found.device_of(certain) == "/dev/spidev0.0"
    assert found.cards == {"eth0": "dc:a6:32:01:02:03"}


def test_spi_alone_says_not_which_hat_it_is(tmp_path: Path) -> None:
    found = look(board(tmp_path))
    assert found.certain() is None
    assert {one.key for one in found.models()} >= {"rak2287", "wm1302", "ic880a"}
    assert all(one.bus == "spi" for one in found.models())


def test_a_stick_with_the_number_that_all_share_is_not_guessed(tmp_path: Path) -> None:
    stick(board(tmp_path, spi=False), "ttyACM0", "0483:5740", "RAKwireless", "RAK5146")
    found = look(tmp_path)
    assert found.certain() is None
    assert {one.key for one in found.models()} == {"rak2287-usb", "rak5146-usb", "wm1302-usb", "corecell-usb"}
    assert found.device_of(found.models()[0]) == "/dev/ttyACM0"


def test_semtechs_own_stick_is_known_by_its_name(tmp_path: Path) -> None:
    stick(board(tmp_path, spi=False), "ttyACM0", "0483:5740", "STMicroelectronics", "SEMTECH CoreCell Virtual ComPort")
    certain = look(tmp_path).certain()
    assert certain is not None
    assert certain.key == "corecell-usb"


def test_other_serial_radios_are_named(tmp_path: Path) -> None:
    stick(board(tmp_path, spi=False), "ttyUSB0", "0403:6001", "EnOcean GmbH", "EnOcean USB 300 DB")
    stick(tmp_path, "ttyUSB1", "10c4:ea60", "Silicon Labs", "Sonoff Zigbee 3.0 USB Dongle Plus")
    stick(tmp_path, "ttyUSB2", "0403:6015", "FTDI", "Meter reader")
    (tmp_path / "sys/class/bluetooth/hci0").mkdir(parents=True)
    (tmp_path / "sys/class/bluetooth/hci0:11").mkdir()
    found = look(tmp_path)
    assert sorted((one.ports[0], one.kind) for one in found.usb) == [
        ("ttyUSB0", "enocean"), ("ttyUSB1", "802.15.4"), ("ttyUSB2", ""),
    ]  # fmt: skip
    assert found.bluetooth == ("hci0",)


def test_a_machine_without_anything_shows_nothing(tmp_path: Path) -> None:
    found = look(tmp_path)
    assert (found.board, found.hat, found.spi, found.usb, found.cards, found.models()) == ("", "", (), (), {}, [])


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return board(tmp_path_factory.mktemp("tree"))


@given(text=st.binary(max_size=600))
def test_whatever_an_eeprom_says_is_bounded_and_printable(tree: Path, text: bytes) -> None:
    put(tree / "sys/firmware/devicetree/base/hat/product", text)
    found = look(tree)
    assert len(found.hat) <= 200
    assert found.hat.isprintable()
    found.certain()

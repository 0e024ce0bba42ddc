"""The models are data that Basics Station takes, and each says where it is from."""

from __future__ import annotations

import json
import re

from hub.operations.concentrator import plan as plans
from hub.operations.concentrator.models import MODELS, SPI, USB
from tests.hub.operations.concentrator.radio_kit import EUI

SOURCE = re.compile(r"[\w.-]+/[\w.-]+@[0-9a-f]{8}: \S+")


def test_every_figure_has_a_source_with_its_repository_version_and_path() -> None:
    for one in MODELS.values():
        assert one.sources, one.key
        assert all(SOURCE.fullmatch(source) for source in one.sources), one.sources


def test_a_hat_has_a_reset_line_and_a_stick_has_none() -> None:
    for one in MODELS.values():
        assert (one.reset is not None) == (one.bus == SPI), one.key
        assert bool(one.usb) == (one.bus == USB), one.key
        pins = [pin for pin in (one.reset, one.power, one.sx1261_reset) if pin is not None]
        assert len(set(pins)) == len(pins), one.key


def test_a_gain_table_is_one_that_basics_station_accepts() -> None:
    """At most 16 entries, rising; bounds of its src/sx130xconf.c: pa_gain 0 to 3, pwr_idx 0 to 27, mix_gain 0 to 15."""
    bounds = {"pa_gain": 3, "pwr_idx": 27, "mix_gain": 15, "dig_gain": 3, "dac_gain": 3}
    for one in MODELS.values():
        powers = [step["rf_power"] for step in one.gains]
        assert 0 < len(powers) <= 16, one.key
        assert powers == sorted(set(powers)), one.key
        for step in one.gains:
            assert set(step) - {"rf_power"} == ({"pa_gain", "pwr_idx"} if one.family == "sx1302" else
                                                {"pa_gain", "mix_gain", "dig_gain", "dac_gain"})  # fmt: skip
            assert all(0 <= step[name] <= bounds[name] for name in step if name != "rf_power"), (one.key, step)


def test_the_file_of_each_model_has_only_fields_that_basics_station_knows() -> None:
    """An unknown field of a radio ends Basics Station 2.0.6 (src/sx130xconf.c, parse_rfconf)."""
    known = {"enable", "tx_enable", "txpow_adjust", "antenna_gain", "antenna_type", "freq", "rssi_offset", "type",
             "tx_notch_freq", "rssi_offset_lbt", "tx_gain_lut", "rssi_tcomp"}  # fmt: skip
    for one in MODELS.values():
        conf = json.loads(plans.station_conf(one, EUI, one.device, 2.0))
        board = conf["SX1302_conf" if one.family == "sx1302" else "SX1301_conf"]
        for radio in (board["radio_0"], board["radio_1"]):
            others = {"tx_gain_lut", "rssi_tcomp"} if one.family == "sx1301" else {"tx_notch_freq"}
            assert set(radio) <= known - others
        assert ("full_duplex" in board) == (one.family == "sx1302")
        assert board["device"].startswith(("spi:/dev/spidev", "usb:/dev/ttyACM"))
        assert conf["station_conf"]["routerid"] == "00-16-C0-01-FF-10-D3-E5"

"""Known LoRa concentrators, as data. Pure.

No figure here is a guess: each model names the published file that its figures were taken from. None was tried on
hardware by this project (docs/how-to/lora-concentrator.md).
"""

from __future__ import annotations

from typing import Any, NamedTuple

SPI, USB = "spi", "usb"

_CONCENTRATORD = "chirpstack/chirpstack-concentratord@0af7d7cf"
_1302 = f"{_CONCENTRATORD}: chirpstack-concentratord-sx1302/src/config/vendor"
_1301 = f"{_CONCENTRATORD}: chirpstack-concentratord-sx1301/src/config/vendor"
_PINS = "cnbhl/basicstation-rpi64@17dec336: docs/SUPPORTED_BOARDS.md"
_RESET = "Lora-net/sx1302_hal@5faac275: tools/reset_lgw.sh"
_BRIDGE = "Lora-net/sx1302_spi_usb_bridge@71394370: USB_DEVICE/App/usbd_desc.c"

Gains = tuple[dict[str, int], ...]


def _sx1250(*steps: tuple[int, int]) -> Gains:
    """Build the transmit gains from 12 dBm on, one step a dB: (pa_gain, pwr_idx)."""
    return tuple({"rf_power": 12 + n, "pa_gain": pa, "pwr_idx": index} for n, (pa, index) in enumerate(steps))


def _sx1257(*steps: tuple[int, int, int, int]) -> Gains:
    """Build the transmit gains of (rf_power, pa_gain, mix_gain, dig_gain)."""
    return tuple(
        {"rf_power": power, "pa_gain": pa, "mix_gain": mix, "dig_gain": digital, "dac_gain": 3}
        for power, pa, mix, digital in steps
    )


REFERENCE_GAINS = _sx1250(
    (0, 15), (0, 16), (0, 17), (0, 19), (0, 20), (0, 22), (1, 1), (1, 2), (1, 3), (1, 4), (1, 5), (1, 6), (1, 7),
    (1, 9), (1, 11), (1, 14),
)  # fmt: skip
RAK_GAINS = _sx1250(*((1, index) for index in (4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 16, 17, 18, 19, 22)))
DRAGINO_GAINS = _sx1250(
    (0, 16), (0, 17), (0, 18), (0, 19), (0, 21), (0, 22), (1, 3), (1, 4), (1, 5), (1, 6), (1, 7), (1, 8), (1, 9),
    (1, 11), (1, 13), (1, 17),
)  # fmt: skip
RAK2245_GAINS = _sx1257(
    (-6, 0, 11, 0), (-3, 0, 14, 0), (0, 1, 9, 0), (3, 1, 11, 0), (6, 2, 8, 0), (10, 2, 10, 0), (11, 2, 11, 0),
    (12, 2, 11, 0), (13, 2, 12, 0), (14, 2, 12, 0), (16, 3, 8, 0), (20, 3, 10, 0), (23, 3, 12, 0), (25, 3, 13, 0),
    (26, 3, 14, 0), (27, 3, 15, 0),
)  # fmt: skip
IC880A_GAINS = _sx1257(
    (-6, 0, 8, 2), (-3, 0, 11, 3), (0, 0, 10, 0), (3, 0, 14, 1), (6, 2, 8, 3), (10, 2, 8, 2), (11, 2, 8, 1),
    (12, 2, 9, 2), (13, 2, 11, 3), (14, 2, 10, 2), (16, 2, 11, 2), (20, 2, 12, 0), (23, 2, 12, 0), (25, 2, 12, 0),
    (26, 2, 12, 0), (27, 2, 12, 0),
)  # fmt: skip
"""Transmit gains of EU863-870."""


class Model(NamedTuple):
    """A concentrator. Pins are GPIO numbers of the 40-pin header (BCM); None: it has no such line. `clock`: the radio
    that gives the clock. `sensor`: it has the temperature sensor that Semtech's library asks for on SPI. `usb`: vendor
    and product number, which every board with this firmware shares. `sources`: where the figures are from."""

    key: str
    name: str
    chip: str
    bus: str
    clock: int
    rssi_offset: float
    gains: Gains
    sources: tuple[str, ...]
    reset: int | None = None
    power: int | None = None
    sx1261_reset: int | None = None
    sensor: bool = False
    usb: str = ""
    hat: tuple[str, ...] = ()

    @property
    def family(self) -> str:
        """Return the forwarder's build that drives it: SX1303 is driven as SX1302."""
        return "sx1301" if self.chip == "sx1301" else "sx1302"

    @property
    def radio(self) -> str:
        return "SX1257" if self.family == "sx1301" else "SX1250"

    @property
    def device(self) -> str:
        """Return the device that it has by default."""
        return "/dev/spidev0.0" if self.bus == SPI else "/dev/ttyACM0"

    def row(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            "key": self.key, "name": self.name, "chip": self.chip, "bus": self.bus, "reset": self.reset,
            "power": self.power, "sources": list(self.sources),
        }  # fmt: skip


def _corecell(key: str, name: str, bus: str, gains: Gains, *sources: str, chip: str = "sx1302", **more: Any) -> Model:
    if bus == USB:
        more, sources = {**more, "usb": "0483:5740"}, (*sources, _BRIDGE)
    return Model(key, name, chip, bus, 0, -215.4, gains, sources, **more)


_RAK2287, _RAK5146 = f"{_1302}/rak/rak2287.rs", f"{_1302}/rak/rak5146.rs"
_RAK2245, _IC880A = f"{_1301}/rak/rak2245.rs", f"{_1301}/imst/ic880a.rs"
_WM1302 = f"{_1302}/seeed/wm1302.rs"
_WAVESHARE = f"{_1302}/waveshare/sx1302_lorawan_gateway_hat.rs"

MODELS: dict[str, Model] = {
    one.key: one
    for one in (
        _corecell("rak2287", "RAK2287 (SPI)", SPI, RAK_GAINS, _RAK2287, reset=17),
        _corecell("rak2287-usb", "RAK2287 (USB)", USB, RAK_GAINS, _RAK2287),
        _corecell("rak5146", "RAK5146 (SPI)", SPI, RAK_GAINS, _RAK5146, chip="sx1303", reset=17),
        _corecell("rak5146-usb", "RAK5146 (USB)", USB, RAK_GAINS, _RAK5146, chip="sx1303"),
        _corecell(
            "waveshare-sx1302", "Waveshare SX1302 / SX1303 LoRaWAN Gateway HAT", SPI, REFERENCE_GAINS, _WAVESHARE,
            _PINS, reset=23, power=18, sx1261_reset=22, sensor=True,
        ),
        _corecell(
            "pg1302", "Dragino PG1302", SPI, DRAGINO_GAINS, f"{_1302}/dragino/pg1302.rs", _PINS,
            reset=23, power=27, sx1261_reset=22,
        ),
        _corecell(
            "wm1302", "Seeed WM1302 (SPI)", SPI, REFERENCE_GAINS, _WM1302, _PINS,
            reset=17, power=18, sx1261_reset=5, sensor=True,
        ),
        _corecell("wm1302-usb", "Seeed WM1302 (USB)", USB, REFERENCE_GAINS, _WM1302),
        _corecell(
            "corecell", "Semtech CoreCell SX1302C868GW1 (SPI)", SPI, REFERENCE_GAINS,
            f"{_1302}/semtech/sx1302c868gw1.rs", _RESET, reset=23, power=18, sx1261_reset=22, sensor=True,
        ),
        _corecell(
            "corecell-usb", "Semtech CoreCell SX1302CSS868GW1 (USB)", USB, REFERENCE_GAINS,
            f"{_1302}/semtech/sx1302css868gw1.rs",
        ),
        Model("rak2245", "RAK2245 Pi HAT", "sx1301", SPI, 1, -166.0, RAK2245_GAINS, (_RAK2245,), reset=17),
        Model("ic880a", "IMST iC880A (SPI)", "sx1301", SPI, 1, -166.0, IC880A_GAINS, (_IC880A,), reset=5),
    )
}  # fmt: skip
"""By key. The SX1303 of Waveshare's HAT is not told apart from its SX1302: their files do not differ."""


def candidates(bus: str) -> list[Model]:
    return [one for one in MODELS.values() if one.bus == bus]

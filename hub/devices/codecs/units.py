"""Units as codecs write them, in a neighbour or in a name. Pure."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import NamedTuple


class Unit(NamedTuple):
    """A unit: the value of its dimension is number × `scale` + `offset`."""

    dimension: str
    scale: float
    offset: float = 0.0


_LINEAR = """
temperature     °C=1 C=1 oC=1 degC=1 Celsius=1 Celcius=1 Cel=1
percent         %=1 percent=1 %RH=1 RH%=1 pct=1 percentage=1 m3/m3=100
fraction        ppm=1 ppb=0.001
density         ug/m3=1 mg/m3=1000
pressure        hPa=1 mbar=1 Pa=0.01 kPa=10 bar=1000 MPa=10000 mmHg=1.333224 psi=68.94757
length          mm=1 cm=10 dm=100 m=1000 km=1000000
energy          kWh=1 Wh=0.001 MWh=1000 mWh=0.000001 GWh=1000000 kW.h=1
power           W=1 kW=1000 MW=1000000 mW=0.001 watt=1 watts=1
apparent        VA=1 kVA=1000
apparent-energy VAh=1 kVAh=1000
reactive        var=1 kvar=1000
reactive-energy varh=1 kvarh=1000
voltage         V=1 mV=0.001 kV=1000 volt=1 volts=1 millivolt=0.001 millivolts=0.001
current         A=1 mA=0.001 uA=0.000001 kA=1000 amps=1 ampere=1
charge          Ah=1 mAh=0.001
frequency       Hz=1 kHz=1000 mHz=0.001 MHz=1000000
volume          L=1 m3=1000 mL=0.001 dL=0.1 cL=0.01 hL=100 dm3=1 litre=1 litres=1 liter=1 liters=1
flow            m3/h=1 L/h=0.001 L/min=0.06 L/s=3.6 m3/s=3600
speed           m/s=1 knots=0.514444 kn=0.514444 mph=0.44704 mps=1
angle           °=1 deg=1 degree=1 degrees=1
illuminance     lx=1 lux=1 klx=1000
sound           dB=1 dBA=1 dB(A)=1 dBSPL=1 decibel=1 decibels=1
conductivity    uS/cm=1 mS/cm=1000 dS/m=1000 mS/m=10 S/m=10000
irradiance      W/m2=1
radon           Bq/m3=1 pCi/L=37
mass            kg=1 g=0.001
time            s=1 ms=0.001 min=60
signal          dBm=1
resistance      ohm=1 kohm=1000
size            nm=1 um=1000
"""


def _units() -> dict[str, Unit]:
    table: dict[str, Unit] = {}
    for line in _LINEAR.strip().splitlines():
        dimension, *units = line.split()
        for name, scale in (unit.rsplit("=", 1) for unit in units):
            table[name] = Unit(dimension, float(scale))
    table |= dict.fromkeys(("J", "kJ", "MJ", "mJ", "GJ"), Unit("energy", 1 / 3.6e6))
    table |= {name: Unit("energy", scale / 3.6) for name, scale in (("kJ", 1e-3), ("MJ", 1), ("mJ", 1e-9), ("GJ", 1e3))}
    table |= dict.fromkeys(("km/h", "kmh", "kmph", "kph"), Unit("speed", 1 / 3.6))
    table |= dict.fromkeys(("°F", "F", "degF", "Fahrenheit"), Unit("temperature", 5 / 9, -160 / 9))
    table["%/100"] = Unit("", 0.01)
    table |= dict.fromkeys(("K", "Kelvin"), Unit("temperature", 1.0, -273.15))
    return table


UNITS = _units()
"""A unit as it is written → its meaning."""

_UCUM = """
Cel=°C %=% [ppm]=ppm ug/m3=ug/m3 hPa=hPa bar=bar lx=lx V=V A=A W=W Hz=Hz mm=mm m=m kg=kg m/s=m/s deg=° uS/cm=uS/cm
kW.h=kWh L=L m3=m3 m3/h=m3/h dB[SPL]=dB V.A=VA var=var W/m2=W/m2 Bq/m3=Bq/m3
"""
OF_UCUM = {"1": Unit("", 1.0), **{ucum: UNITS[name] for ucum, name in (pair.split("=") for pair in _UCUM.split())}}
"""UCUM of a metric → its meaning."""

_SHORT = """
V mV kV A mA kA W kW Wh kWh VA kVA var kvar varh kvarh Ah mAh Hz kHz dB dBA L mL hPa kPa Pa bar mbar psi mmHg
mm cm dm km kg lx ppm ppb um nm m3
"""
WORDS: dict[str, str] = {
    **{name.lower(): name for name in UNITS if name.isalpha() and name.isascii() and len(name) > 2},
    **{name.lower(): name for name in _SHORT.split()},
    **dict.fromkeys(("mw", "mwh", "mhz", "mj", "ms", "min", "us"), ""),
}
"""A word of a name that is its unit; "" where lower case hides which (mW or MW), or it may be something else."""

LETTERS = {"c": "°C", "f": "°F", "k": "K", "v": "V", "a": "A", "w": "W", "m": "m", "l": "L"}
"""A single letter at the end of a name, where the dimension agrees."""

IMPLIED = {"lux": "illuminance", "lx": "illuminance", "decibel": "sound", "amps": "current"}
"""Words that are a unit and name the quantity as well."""

OF_LABEL = dict.fromkeys(("east", "easf", "hchc", "hchp"), "Wh")
"""Labels whose unit their standard gives (Enedis-NOI-CPT_54E)."""

SIGNS = str.maketrans({"µ": "u", "μ": "u", "⁻": "-", "¹": "1", "²": "2", "³": "3", "ß": "ss"})
_POWER = re.compile(r"[⋅·*. ]?([A-Za-z]+)-([123])")


@lru_cache(maxsize=1024)
def read_unit(text: str) -> Unit | None:
    """Return what a unit means as a codec writes it, None where that is not known."""
    bare = unicodedata.normalize("NFKC", text[:32].translate(SIGNS)).strip()
    bare = _POWER.sub(lambda found: f"/{found[1]}{'' if found[2] == '1' else found[2]}", bare).replace(" ", "")
    if bare in UNITS:
        return UNITS[bare]
    alike = {unit for name, unit in UNITS.items() if name.lower() == bare.lower()}
    return alike.pop() if len(alike) == 1 else None

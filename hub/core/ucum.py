"""Recognises units of UCUM, the Unified Code for Units of Measure, version 2.2, in its case-sensitive form. Pure.

    unit        [/] part {(. | /) part}
    part        (unit) | factor | annotation | symbol [exponent] [annotation]
    factor      digits
    exponent    [+ | -] digits
    annotation  {printable ASCII without braces}
    symbol      a unit's code, or a prefix and the code of a metric unit

Two symbols are the house's own, because devices speak of them and UCUM has neither: `var` (reactive power, a metric
unit) and `dBm` (decibels above a milliwatt), which is `dB[mW]` in what the backend writes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

LONGEST = 32
_DEEPEST = 4
"""Levels of parentheses."""

# Each text begins and ends with a space, and so does each code in it: looking one up takes no table of strings.
_METRIC = (
    " m s g rad K C cd mol sr Hz N Pa J W A V F Ohm S Wb Cel T H lm lx Bq Gy Sv l L ar t bar u eV pc [c] [h] [k]"
    " [eps_0] [mu_0] [e] [m_e] [m_p] [G] [g] [ly] gf Ky Gal dyn erg P Bi St Mx G Oe Gb sb Lmb ph Ci R RAD REM cal_[15]"
    " cal_[20] cal_m cal_IT cal_th cal tex m[H2O] m[Hg] eq osm g% kat U [iU] [IU] Np B B[SPL] B[V] B[mV] B[uV]"
    " B[10.nV] B[W] B[kW] st mho bit By Bd var "
)
_PLAIN = (
    " 10* 10^ [pi] % [ppth] [ppm] [ppb] [pptr] gon deg ' '' min h d a_t a_j a_g a wk mo_s mo_j mo_g mo AU atm [lbf_av]"
    " [in_i] [ft_i] [yd_i] [mi_i] [fth_i] [nmi_i] [kn_i] [sin_i] [sft_i] [syd_i] [cin_i] [cft_i] [cyd_i] [bf_i] [cr_i]"
    " [mil_i] [cml_i] [hd_i] [ft_us] [yd_us] [in_us] [rd_us] [ch_us] [lk_us] [rch_us] [rlk_us] [fth_us] [fur_us]"
    " [mi_us] [acr_us] [srd_us] [smi_us] [sct] [twp] [mil_us] [in_br] [ft_br] [rd_br] [ch_br] [lk_br] [fth_br] [pc_br]"
    " [yd_br] [mi_br] [nmi_br] [kn_br] [acr_br] [gal_us] [bbl_us] [qt_us] [pt_us] [gil_us] [foz_us] [fdr_us] [min_us]"
    " [crd_us] [bu_us] [gal_wi] [pk_us] [dqt_us] [dpt_us] [tbs_us] [tsp_us] [cup_us] [foz_m] [cup_m] [tsp_m] [tbs_m]"
    " [gal_br] [pk_br] [bu_br] [qt_br] [pt_br] [gil_br] [foz_br] [fdr_br] [min_br] [gr] [lb_av] [oz_av] [dr_av]"
    " [scwt_av] [lcwt_av] [ston_av] [lton_av] [stone_av] [pwt_tr] [oz_tr] [lb_tr] [sc_ap] [dr_ap] [oz_ap] [lb_ap]"
    " [oz_m] [lne] [pnt] [pca] [pnt_pr] [pca_pr] [pied] [pouce] [ligne] [didot] [cicero] [degF] [degR] [degRe] [Cal]"
    " [Btu_39] [Btu_59] [Btu_60] [Btu_m] [Btu_IT] [Btu_th] [Btu] [HP] [den] [in_i'H2O] [in_i'Hg] [PRU] [wood'U]"
    " [diop] [p'diop] %[slope] [mesh_i] [Ch] [drp] [hnsf'U] [MET] [hp'_X] [hp'_C] [hp'_M] [hp'_Q] [hp_X] [hp_C]"
    " [hp_M] [hp_Q] [kp_X] [kp_C] [kp_M] [kp_Q] [pH] [S] [HPF] [LPF] [arb'U] [USP'U] [GPL'U] [MPL'U] [APL'U] [beth'U]"
    " [anti'Xa'U] [todd'U] [dye'U] [smgy'U] [bdsk'U] [ka'U] [knk'U] [mclg'U] [tb'U] [CCID_50] [TCID_50] [EID_50] [PFU]"
    " [FFU] [CFU] [IR] [BAU] [AU] [Amb'a'1'U] [PNU] [Lf] [D'ag'U] [FEU] [ELU] [EU] Ao b att [psi] circ sph [car_m]"
    " [car_Au] [smoot] [m/s2/Hz^(1/2)] [NTU] [FNU] bit_s dBm "
)
_PREFIXES = ("Y", "Z", "E", "P", "T", "G", "M", "k", "h", "d", "c", "m", "u", "n", "p", "f", "a", "z", "y",
             "da", "Ki", "Mi", "Gi", "Ti")  # fmt: skip
_TOKEN = re.compile(
    r"(?P<mark>[./()])|(?P<note>\{[!-z|~]*\})|(?P<symbol>10[*^]|(?:[A-Za-z%'_]|\[[!-Z\\^-z|~]+\])+)(?P<exponent>[+-]?\d+)?"
    r"|(?P<factor>\d+)"
)
_LIKELY = {
    "°C": "Cel", "℃": "Cel", "degC": "Cel", "celsius": "Cel", "°F": "[degF]", "F°": "[degF]", "fahrenheit": "[degF]",
    "ppm": "[ppm]", "ppb": "[ppb]", "percent": "%", "pct": "%", "%RH": "%", "%rh": "%", "rH": "%",
    "kWh": "kW.h", "Wh": "W.h", "MWh": "MW.h", "kVA": "kV.A", "VA": "V.A", "kvarh": "kvar.h", "varh": "var.h",
    "VAr": "var", "VAR": "var", "Ah": "A.h", "mAh": "mA.h", "m³": "m3", "m^3": "m3", "m²": "m2", "m^2": "m2",
    "m³/h": "m3/h", "µg/m³": "ug/m3", "μg/m³": "ug/m3", "µg/m3": "ug/m3", "mg/m³": "mg/m3", "µS/cm": "uS/cm",
    "μS/cm": "uS/cm", "Bq/m³": "Bq/m3", "m/s²": "m/s2", "W/m²": "W/m2", "kg/m³": "kg/m3", "°": "deg", "degree": "deg",
    "degrees": "deg", "°/s": "deg/s", "Ω": "Ohm", "ohm": "Ohm", "ohms": "Ohm", "kΩ": "kOhm", "rpm": "{rev}/min",
    "tr/min": "{rev}/min", "psi": "[psi]", "inHg": "[in_i'Hg]", "lux": "lx", "Lux": "lx", "sec": "s", "second": "s",
    "seconds": "s", "minute": "min", "minutes": "min", "hour": "h", "hours": "h", "day": "d", "days": "d", "j": "d",
    "month": "mo", "months": "mo", "year": "a", "years": "a", "volt": "V", "volts": "V", "ampere": "A", "watt": "W",
    "watts": "W", "litre": "L", "liter": "L", "litres": "L", "hertz": "Hz", "dBA": "dB[SPL]", "dB(A)": "dB[SPL]",
    "count": "1", "counts": "1", "pulse": "1", "pulses": "1", "none": "1", "-": "1", "": "1",
    "inch": "[in_i]", "kmh": "km/h", "NTU": "[NTU]",
}  # fmt: skip
"""Units as people and codecs write them, where that is no UCUM → UCUM."""


def is_ucum(unit: str) -> bool:
    """Return whether a text is a unit of UCUM, at most LONGEST characters long."""
    if not 0 < len(unit) <= LONGEST:
        return False
    tokens, at = list[re.Match[str]](), 0
    while at < len(unit):
        token = _TOKEN.match(unit, at)
        if token is None:
            return False
        tokens.append(token)
        at = token.end()
    waiting = iter([*tokens, None])
    return _is_unit(waiting, next(waiting), 0) is None and next(waiting, None) is None


def likely_ucum(unit: str) -> str:
    """Return the UCUM unit that a text which is none most likely means, "" when that cannot be said."""
    return _LIKELY.get(unit) or _LIKELY.get(unit.strip(), "") or _LIKELY.get(unit.strip().lower(), "")


class _Wrong:
    """Is returned in the place of the next token where the text is no unit."""


_WRONG = _Wrong()
_Next = re.Match[str] | _Wrong | None


def _is_unit(rest: Iterator[re.Match[str] | None], token: _Next, depth: int) -> _Next:
    """Read a unit that begins with `token`. Returns the token behind it, None at the end."""
    if _mark(token) == "/":
        token = next(rest)
    while True:
        token = _is_part(rest, token, depth)
        if _mark(token) not in (".", "/"):
            return token
        token = next(rest)


def _is_part(rest: Iterator[re.Match[str] | None], token: _Next, depth: int) -> _Next:
    if not isinstance(token, re.Match):
        return _WRONG
    if token["mark"] == "(" and depth < _DEEPEST:
        return next(rest) if _mark(_is_unit(rest, next(rest), depth + 1)) == ")" else _WRONG
    if token["mark"] or (token["symbol"] and not _is_symbol(token["symbol"])):
        return _WRONG
    following = next(rest)
    if following is not None and following["note"] is not None and token["note"] is None:
        following = next(rest)
    return following


def _mark(token: _Next) -> str | None:
    return token["mark"] if isinstance(token, re.Match) else None


def _is_symbol(code: str) -> bool:
    if f" {code} " in _METRIC or f" {code} " in _PLAIN:
        return True
    return any(code.startswith(one) and f" {code[len(one) :]} " in _METRIC for one in _PREFIXES if code != one)

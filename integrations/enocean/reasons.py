"""Descriptions of the counted events of EnOcean: reason -> English. Pure data."""

from __future__ import annotations

from hub.sdk.sampling import BROADCASTS, Sampling

PREFIX = "enocean.reason-"
REASONS: dict[str, str] = {
    "enocean-length": "A telegram of a length that does not fit its profile: check `eep`",
    "enocean-profile": "An EnOcean profile that is not read: check `eep`",
    "enocean-psk": "A secure teach-in whose code does not fit: check the code of the label",
    "enocean-rlc": "Its rolling code is not known: teach it in again",
    "enocean-secure": "A secure telegram of a kind that is not read",
    "enocean-slf": "A level of security that is not accepted: set the device higher",
    "enocean-teach-in": "A teach-in that cannot be read: do it again near the gateway",
    "esp3-crc": "A damaged message of the gateway: look at the cable or the USB stick",
    "esp3-radio": "A radio message of the gateway that cannot be read",
    "pairing-closed": "A teach-in outside of a pairing window: open one",
}
SAMPLING = Sampling(reason="broadcasts", why=BROADCASTS)

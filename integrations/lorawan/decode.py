"""`ilot decode lorawan`: decodes a PHYPayload with its keys. Pure.

A frame is hexadecimal, or `{"raw": "40…", "fcnt": 65538, "codec": "cayenne"}`: `fcnt` is the whole 32-bit counter,
needed where it has passed 65,535, and `codec` how the payload is read, by default not at all: `payload` is its bytes.
`rssi` in dBm and `gateway`, as `ilot capture` writes them, say how it was heard.
The key is NwkSKey and AppSKey in this order, 64 digits; an AppKey of 32 digits checks and opens a join. `commands`: the
MAC commands, where there are any.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import hub
from hub.sdk.phrases import phrase
from integrations.lorawan import cayenne, commands, crypto, phy
from integrations.lorawan.eui import dashed

KIND = "lorawan"


def line(said: dict[str, Any]) -> hub.Frame:
    """Convert one decoded JSON object to a frame. Raises DecodeError `bad-hex`, `bad-counter`, `unknown-codec`."""
    try:
        raw = bytes.fromhex(said["raw"])
    except (KeyError, TypeError, ValueError):
        raise hub.DecodeError(
            "bad-hex", phrase("lorawan.frame-without-raw", 'a frame is {{"raw": "hexadecimal"}}')
        ) from None
    fcnt = said.get("fcnt")
    if fcnt is not None and not (isinstance(fcnt, int) and not isinstance(fcnt, bool) and 0 <= fcnt <= 0xFFFFFFFF):
        raise hub.DecodeError(
            "bad-counter", phrase("lorawan.fcnt-no-whole-number", "fcnt is a whole number of at most 32 bits")
        )
    codec = said.get("codec", "none")
    if codec not in {"none", "cayenne"}:
        raise hub.DecodeError("unknown-codec", phrase("lorawan.codec-unknown", "codec is none or cayenne"))
    data = {"phy": raw} if fcnt is None else {"phy": raw, "fcnt": fcnt.to_bytes(4, "big")}
    rssi, gateway = said.get("rssi"), said.get("gateway")
    signal = hub.Signal(rssi=rssi if type(rssi) is int else None, source=gateway if isinstance(gateway, str) else "")
    return hub.Frame(kind=KIND, address="", data={**data, "codec": codec.encode()}, signal=signal)


def decode(frame: hub.Frame, keys: Callable[[str], bytes | None]) -> hub.Decoded | hub.NeedKey | None:
    """Decode a frame.

    Raises DecodeError: as `phy.parse`, `bad-key` (wrong length), `bad-mic`, `bad-counter` (`fcnt` does not match the
    frame), and as `cayenne.decode` where that codec is chosen."""
    raw = frame.data.get("phy")
    if raw is None:
        return None
    said = phy.parse(raw)
    if isinstance(said, phy.SealedJoinAccept):
        return _accept(said, keys)
    if isinstance(said, phy.JoinRequest):
        return _join(said, keys)
    return _data(said, frame, keys)


def _sized(key: bytes, size: int) -> bytes:
    if len(key) != size:
        raise hub.DecodeError(
            "bad-key",
            phrase(
                "lorawan.appkey-of-wrong-length",
                "an AppKey of {wanted} digits is needed, not {given}",
                wanted=2 * size,
                given=2 * len(key),
            )
            if size == crypto.KEY
            else phrase(
                "lorawan.session-keys-of-wrong-length",
                "NwkSKey and AppSKey of {wanted} digits together are needed, not {given}",
                wanted=2 * size,
                given=2 * len(key),
            ),
        )
    return key


def _join(said: phy.JoinRequest, keys: Callable[[str], bytes | None]) -> hub.Decoded | hub.NeedKey:
    device = f"lorawan:{said.dev_eui.hex()}"
    key = keys(device)
    if key is None:
        return hub.NeedKey(device, f"LoRaWAN join request, JoinEUI {dashed(said.join_eui.hex())}")
    if not crypto.join_mic_ok(_sized(key, crypto.KEY), said.signed, said.mic):
        raise hub.DecodeError(
            "bad-mic", phrase("lorawan.join-request-mic-wrong", "wrong AppKey, or a forged or damaged frame")
        )
    values: dict[str, float | int | bool | str] = {"dev_nonce": said.dev_nonce, "join_eui": said.join_eui.hex()}
    return hub.Decoded(device=device, values=values, proof=hub.Proof("lorawan-join", said.dev_nonce, True))


def _accept(said: phy.SealedJoinAccept, keys: Callable[[str], bytes | None]) -> hub.Decoded | hub.NeedKey:
    key = keys("lorawan:join-accept")
    if key is None:
        return hub.NeedKey("lorawan:join-accept", "LoRaWAN join accept")
    clear = crypto.open_join_accept(_sized(key, crypto.KEY), said)
    values: dict[str, float | int | bool | str] = {
        "join_nonce": clear.join_nonce, "net_id": clear.net_id, "dev_addr": f"{clear.dev_addr:08x}",
        "rx1_offset": clear.rx1_offset, "rx2_rate": clear.rx2_dr, "rx_delay": clear.rx_delay,
    }  # fmt: skip
    proof = hub.Proof("lorawan-join", clear.join_nonce, True)
    return hub.Decoded(device=f"lorawan:{clear.dev_addr:08x}", values=values, proof=proof)


def _data(said: phy.Data, frame: hub.Frame, keys: Callable[[str], bytes | None]) -> hub.Decoded | hub.NeedKey:
    whole = frame.data.get("fcnt")
    device = f"lorawan:{said.dev_addr:08x}"
    fcnt = int.from_bytes(whole, "big") if whole is not None else said.fcnt
    if fcnt & 0xFFFF != said.fcnt:
        raise hub.DecodeError(
            "bad-counter",
            phrase(
                "lorawan.fcnt-of-other-counter",
                "the frame carries {fcnt}, the low 16 bits of another counter",
                fcnt=said.fcnt,
            ),
        )
    key = keys(device)
    if key is None:
        return hub.NeedKey(device, "LoRaWAN")
    pair = _sized(key, 2 * crypto.KEY)
    nwk, app = crypto.Key(pair[: crypto.KEY]), crypto.Key(pair[crypto.KEY :])
    if not crypto.data_mic_ok(nwk, said, fcnt):
        raise hub.DecodeError(
            "bad-mic",
            phrase("lorawan.data-mic-wrong", "wrong NwkSKey, another 32-bit counter, or a forged or damaged frame"),
        )
    proof = hub.Proof("lorawan-1.0", fcnt, True)
    clear = crypto.payload(nwk if said.fport == 0 else app, said.uplink, said.dev_addr, fcnt, said.payload)
    values: dict[str, float | int | bool | str] = {"payload": clear.hex()}
    row, slug = commands.parse(clear if said.fport == 0 else said.fopts, uplink=said.uplink)
    if row or slug:
        values["commands"] = "; ".join([*map(repr, row), *([slug] if slug else [])])
    skipped: tuple[str, ...] = ()
    if clear and said.fport and frame.data.get("codec") == b"cayenne":
        read = cayenne.decode(clear)
        values |= read.values
        skipped = read.skipped
    return hub.Decoded(device=device, values=values, proof=proof, model=_name(said), skipped=skipped)


def _name(said: phy.Data) -> str:
    way = "uplink" if said.uplink else "downlink"
    port = f", port {said.fport}" if said.fport is not None else ""
    return f"LoRaWAN {'confirmed ' if said.confirmed else ''}{way}{port}"

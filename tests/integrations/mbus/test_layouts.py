"""Compact frames of meters by radio: their layout is learned from full frames, kept, bounded, and nobody else's."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import hub
import integrations.mbus
from hub.sdk.testing import FakeSession, FakeState
from integrations.mbus import decode_wireless, explain_wireless, layouts, radio, wireless
from integrations.mbus.decode import readings
from integrations.mbus.decode import wireless as decode
from integrations.mbus.layouts import CLEAR, MOST, SEALED, UNKNOWN, Layouts
from integrations.mbus.records import Parsed

from ...serving import start_server

METER = bytes.fromhex("2D2C01020304010 2".replace(" ", ""))
OTHER = bytes.fromhex("2D2C05020304010 2".replace(" ", ""))

# EN 13757-3:2018, G.5.2 and G.5.3: 123.4 Wh, 567.8 m3, 901.2 W (as published with the tests of Exmbus)
FULL, FORMAT, COMPACT = "780202D20402152E16022A3423", "6908313B02020215022A", "79313B42A6D2042E163423"
SHORT_FULL, SHORT_FORMAT = "7A010000000202D20402152E16022A3423", "6A0100000008313B02020215022A"
SHORT_COMPACT = "7B01000000313B42A6D2042E163423"
LONG_COMPACT = "730102030 42D2C010201000000313B42A6D2042E163423".replace(" ", "")
VALUES = {"energy": pytest.approx(0.1234), "volume": pytest.approx(567_800.0), "power": pytest.approx(901.2)}

# A Multical 21 (wmbusmeters, simulations/simulation_c1.txt), opened by the receiver: 6.408 m3 in both
MULTICAL_FULL = "2A442D2C998734761B168D2091D37CAC21576C7802FF207100041308190000441308190000615B7F616713"
MULTICAL_COMPACT = "23442D2C998734761B168D2087D19EAD217F1779EDA86AB6710008190000081900007F13"
MULTICAL_SEALED = "2A442D2C998734761B168D2091D37CAC21E1D68CDAFFCD3DC452BD802913FF7B1706CA9E355D6C2701CC24"
MULTICAL_KEY = bytes.fromhex("28F64A24988064A079AA2C807D6102AE")
MULTICAL = "mbus:KAM-76348799-1b-16"


def telegram(body: str, meter: bytes = METER) -> bytes:
    inner = b"\x44" + meter + bytes.fromhex(body)
    return bytes([len(inner)]) + inner


def sealed(text: str) -> bytes:
    """The published telegram, sealed again with the meter's key."""
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    raw = bytes.fromhex(text)
    start = raw[2:10] + raw[11:12] + raw[13:17] + bytes(3)
    sealer = Cipher(algorithms.AES(MULTICAL_KEY), modes.CTR(start)).encryptor()
    return raw[:17] + sealer.update(raw[17:]) + sealer.finalize()


def test_the_published_telegram_sealed_again_is_the_published_sealed_one() -> None:
    assert sealed(MULTICAL_FULL) == bytes.fromhex(MULTICAL_SEALED)


@pytest.mark.parametrize("shown", [FULL, FORMAT, SHORT_FULL, SHORT_FORMAT])
@pytest.mark.parametrize("compact", [COMPACT, SHORT_COMPACT, LONG_COMPACT])
def test_a_compact_frame_is_read_with_what_a_full_or_a_format_frame_has_shown(shown: str, compact: str) -> None:
    known = Layouts()
    before = decode(telegram(compact), None, known)
    assert (before.parsed.problem, readings(before)) == (UNKNOWN, {})
    decode(telegram(shown), None, known)
    assert readings(decode(telegram(compact), None, known)) == VALUES


def test_a_meter_of_the_air_says_the_same_in_both() -> None:
    known = Layouts()
    for text in (MULTICAL_FULL, MULTICAL_COMPACT):
        assert readings(decode(bytes.fromhex(text), None, known)) == {"water": pytest.approx(6408.0)}
    for text in (MULTICAL_FULL, MULTICAL_COMPACT):
        message = decode(sealed(text), MULTICAL_KEY, known)
        assert (readings(message), message.protected) == ({"water": pytest.approx(6408.0)}, "AES-CTR")


def test_a_layout_serves_its_own_meter_alone() -> None:
    known = Layouts()
    decode(telegram(FULL, OTHER), None, known)
    assert decode(telegram(COMPACT), None, known).parsed.problem == UNKNOWN


class Shared(Layouts):
    """The broken twin: one table for all meters, as the signature alone would have it."""

    def learn(self, device: str, heads: tuple[bytes, ...], *, sealed: bool) -> None:
        super().learn("any", heads, sealed=False)

    def full(self, device: str, data: bytes, *, sealed: bool) -> Parsed:
        return super().full("any", data, sealed=False)


def test_another_meter_s_layout_of_the_same_signature_silences_nobody() -> None:
    forged = "78" + "0210D204" + "023C2E16" + "021B3423"  # heads whose checksum is that of G.5, too
    readable = {}
    for kind in (Layouts, Shared):
        known = kind()
        decode(telegram(FULL), None, known)
        decode(telegram(forged, OTHER), None, known)
        try:
            readable[kind] = readings(decode(telegram(COMPACT), None, known)) == VALUES
        except hub.DecodeError:
            readable[kind] = False
    assert readable == {Layouts: True, Shared: False}


def test_a_layout_in_clear_never_says_what_a_sealed_frame_means() -> None:
    known = Layouts()
    decode(bytes.fromhex(MULTICAL_FULL), None, known)  # anybody can send this
    assert decode(sealed(MULTICAL_COMPACT), MULTICAL_KEY, known).parsed.problem == UNKNOWN
    decode(sealed(MULTICAL_FULL), MULTICAL_KEY, known)
    assert decode(sealed(MULTICAL_COMPACT), MULTICAL_KEY, known).parsed.problem == ""


@pytest.mark.parametrize("at", range(4, 11))
def test_one_changed_byte_of_the_data_is_seen_by_the_checksum(at: int) -> None:
    known = Layouts()
    decode(telegram(FULL), None, known)
    raw = bytearray(telegram(COMPACT))
    raw[10 + at] ^= 0x10
    with pytest.raises(hub.DecodeError) as caught:
        decode(bytes(raw), None, known)
    assert caught.value.reason == "wmbus-crc"


def test_data_that_is_too_short_or_too_long_for_the_layout_is_refused() -> None:
    known = Layouts()
    decode(telegram(FULL), None, known)
    for body, reason in ((COMPACT[:-4], "mbus-record"), (COMPACT + "00", "wmbus-crc"), ("79313B", "mbus-record")):
        with pytest.raises(hub.DecodeError) as caught:
            decode(telegram(body), None, known)
        assert caught.value.reason == reason
    assert readings(decode(telegram(COMPACT + "2F2F"), None, known)) == VALUES, "filled up"


def test_what_was_used_is_kept_and_serves_after_a_restart() -> None:
    known = Layouts()
    for text in (MULTICAL_FULL, MULTICAL_COMPACT):
        decode(sealed(text), MULTICAL_KEY, known)
    decode(telegram(FULL), None, known)  # a meter that sends no compact frames: not worth keeping
    again = Layouts()
    again.load(known.dump())
    assert readings(decode(sealed(MULTICAL_COMPACT), MULTICAL_KEY, again)) == {"water": pytest.approx(6408.0)}
    assert decode(telegram(COMPACT), None, again).parsed.problem == UNKNOWN
    assert again.dump() == known.dump()


@given(st.recursive(st.none() | st.binary(max_size=8) | st.text(max_size=4) | st.integers(),
                    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
                        st.sampled_from(["sealed", "clear"]), inner, max_size=2), max_leaves=12))  # fmt: skip
def test_what_was_kept_in_any_other_form_is_left_out(kept: Any) -> None:
    known = Layouts()
    known.load(kept)
    assert isinstance(known.dump(), dict)


def test_however_many_meters_are_heard_the_memory_is_bounded() -> None:
    known = Layouts()
    for is_sealed, most in ((True, SEALED), (False, CLEAR)):
        for number in range(most + 50):
            known.learn(f"mbus:KAM-{number:08}-1b-16", (b"\x04\x13",), sealed=is_sealed)
            data = radio.crc(b"\x04\x13").to_bytes(2, "little") + radio.crc(b"\x04\x13" + bytes(4)).to_bytes(
                2, "little"
            )
            known.full(f"mbus:KAM-{number:08}-1b-16", data + bytes(4), sealed=is_sealed)
    for number in range(50):
        known.learn("mbus:KAM-99999999-1b-16", (bytes([4, number]),), sealed=True)
    assert [len(table) for table in known._known.values()] == [SEALED, CLEAR]
    assert max(len(mine) for table in known._known.values() for mine in table.values()) == MOST
    assert len(known._used) <= SEALED + CLEAR
    FakeState().put("layouts", known.dump())  # raises above 64 KiB
    assert [entry[0] for entry in known.dump()["clear"]][-1] == f"mbus:KAM-{CLEAR + 49:08}-1b-16", "the latest are kept"


def test_the_longest_layouts_of_many_meters_fit_what_a_plugin_may_keep() -> None:
    known = Layouts()
    heads = [tuple(bytes([4, number, n]) for n in range(80)) for number in range(MOST)]
    for is_sealed in (True, False):
        for number in range(300):
            for one in heads:
                known.learn(f"mbus:KAM-{number:08}-1b-16", one, sealed=is_sealed)
            body = b"".join(one + bytes(4) for one in heads[0])
            sums = [radio.crc(part).to_bytes(2, "little") for part in (b"".join(heads[0]), body)]
            assert known.full(f"mbus:KAM-{number:08}-1b-16", b"".join(sums) + bytes(320), sealed=is_sealed).records
    FakeState().put("layouts", known.dump())
    assert all(known.dump().values())


@given(st.binary(max_size=80), st.lists(st.binary(min_size=2, max_size=4), max_size=5))
def test_any_compact_frame_is_read_left_or_refused(data: bytes, heads: list[bytes]) -> None:
    known = Layouts()
    known.learn("mbus:x", tuple(heads), sealed=True)
    signature = radio.crc(b"".join(heads)).to_bytes(2, "little")
    for body in (data, signature + data):
        with contextlib.suppress(hub.DecodeError):
            assert known.full("mbus:x", body, sealed=True).problem in ("", UNKNOWN, "mbus-record")


# -- in the hub -------------------------------------------------------------------------------------------------------


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> Layouts:
    known = Layouts()
    for module in (integrations.mbus, wireless, layouts):
        monkeypatch.setattr(module, "LAYOUTS", known)
    return known


def frame(raw: bytes) -> hub.Frame:
    return hub.Frame(kind="wmbus", address="", data={"telegram": raw})


def test_a_compact_frame_before_its_full_one_is_counted_and_the_meter_is_alive(fresh: Layouts) -> None:
    decoded = decode_wireless(frame(sealed(MULTICAL_COMPACT)), lambda _: MULTICAL_KEY)
    assert isinstance(decoded, hub.Decoded)
    assert (decoded.device, decoded.skipped) == (MULTICAL, (UNKNOWN,))
    assert "water" not in decoded.values
    assert decoded.proof == hub.Proof(
        scheme="wmbus-ctr", counter=decoded.proof.counter if decoded.proof else 0, sealed=True
    )


def test_the_command_shows_both_in_turn(fresh: Layouts) -> None:
    shown = [
        list(explain_wireless(frame(bytes.fromhex(text)), lambda _: None)) for text in (MULTICAL_FULL, MULTICAL_COMPACT)
    ]
    assert [record["value"] for record in shown[0][1:]] == [record["value"] for record in shown[1][1:]]
    assert [record["dif_vif"] for record in shown[1][1:]] == ["02ff20", "0413", "4413", "615b", "6167"]


class Decoding(FakeSession):
    """A session whose radio decodes what it is given, as the hub does."""

    def __init__(self, **options: Any) -> None:
        super().__init__("wmbus", **options)
        self.values: list[dict[str, Any]] = []

        async def submit(frame: hub.Frame) -> bool:
            decoded = decode_wireless(frame, lambda _: MULTICAL_KEY)
            assert isinstance(decoded, hub.Decoded)
            self.values.append(
                {key: decoded.values[key] for key in decoded.values if key not in ("fault", "battery_low")}
            )
            return True

        self.radio.submit_frame = submit  # type: ignore[method-assign]


async def listen(session: FakeSession, *telegrams: bytes) -> None:
    async def receiver(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            writer.write(b"".join(raw.hex().encode() + b"\n" for raw in telegrams))
            await writer.drain()
        finally:
            writer.close()

    async with await start_server(receiver, "127.0.0.1", 0) as server:
        port = f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        with pytest.raises(hub.NotReady):
            await session.run(wireless.run, wireless.Config(port=port))


@pytest.mark.real("network")
async def test_layouts_outlive_the_process(fresh: Layouts, monkeypatch: pytest.MonkeyPatch) -> None:
    first = Decoding()
    await listen(first, sealed(MULTICAL_COMPACT), sealed(MULTICAL_FULL), sealed(MULTICAL_COMPACT))
    assert first.values == [{}, {"water": pytest.approx(6408.0)}, {"water": pytest.approx(6408.0)}]
    another = Layouts()
    for module in (integrations.mbus, wireless):
        monkeypatch.setattr(module, "LAYOUTS", another)
    second = Decoding()
    second.state.put("layouts", first.state.get("layouts"))
    await listen(second, sealed(MULTICAL_COMPACT))
    assert second.values == [{"water": pytest.approx(6408.0)}]


async def test_what_is_learned_is_written_now_and_then_only(fresh: Layouts) -> None:
    session, written, now = Decoding(), [], 0.0
    put = session.state.put
    session.state.put = lambda key, value: (written.append(key), put(key, value))  # type: ignore[method-assign]
    hearing = wireless.Hearing(session, monotonic=lambda: now)
    for number in range(20):
        meter = METER[:2] + bytes([number]) + METER[3:]
        for body in (FULL, COMPACT):
            await hearing.submit(telegram(body, meter), None)
    assert written == ["layouts"]
    now = wireless.KEEP_S
    await hearing.submit(telegram(FULL), None)
    assert written == ["layouts"] * 2


@pytest.mark.real("network")
async def test_a_meter_by_radio_gives_what_its_settings_map(fresh: Layouts) -> None:
    settings = {"records": [{"dif_vif": "4413", "metric": "volume", "scale": 1000}]}
    session = Decoding(devices=[hub.Device(id=MULTICAL, integration="wmbus", place="meter", settings=settings)])
    await listen(session, sealed(MULTICAL_FULL))
    assert session.values == [{"volume": pytest.approx(6408.0), "water": pytest.approx(6408.0)}]
    wireless._map(MULTICAL, None)
    await listen(Decoding(), sealed(MULTICAL_FULL))
    assert MULTICAL not in integrations.mbus.MAPPED

"""Secured telegrams: the vectors of the specification, telegrams of a real switch, and whoever tries to imitate it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

import hub
from hub.cli.decode import decode as decode_command
from hub.core.model import TrustClass
from hub.pipeline.admission.trust import trust_class
from hub.sdk.testing import FakeSession, settle
from integrations.enocean import Config, DeviceSettings, Listening
from integrations.enocean.decode import METRICS
from integrations.enocean.esp3 import Packet, Splitter, pack
from integrations.enocean.listening import REPEAT_S
from integrations.enocean.secure import SEC, SEC_ENCAPS, WINDOW, TeachIns, cmac, level, open_, vaes

# Security of EnOcean Radio Networks 3.02, Annex A.4: "EnOcean GmbH.13" is the key of A.4.1 and A.4.2
KEY = bytes.fromhex("456E4F6365616E20476D62482E313300")
KEY_3 = bytes.fromhex("E50880CF67790D5D66AA7F3B7AD77A3F")
# A PTM 215 as a published receiver heard it (its example of secure telegrams): teach-in in two, A0 pressed, released
PTM = [
    bytes.fromhex(line)
    for line in (
        "55000F07012B35244BC0FF456E4F6365019EB63B0000FFFFFFFF370071",
        "5500120701183540616E20476D62482E313300019EB63B0000FFFFFFFF3700F0",
        "55000A0701EB30D0B518FB019EB63B0000FFFFFFFF37004D",
        "55000A0701EB307BAEC828019EB63B0000FFFFFFFF370094",
    )
]
SWITCH = hub.Device(id="enocean:019EB63B", integration="enocean", place="door", settings={"eep": "F6-02-01"})


def packets(*raw: bytes) -> list[Packet]:
    return list(Splitter().feed(b"".join(raw)))


def sealed(counter: int, rorg: int, data: bytes, key: bytes = KEY, slf: int = 0xF3, sender: str = "018F2B3C") -> Packet:
    """A telegram 31 as a device would send it."""
    how = level(slf)
    code = (counter & (1 << 8 * how.rlc) - 1).to_bytes(how.rlc, "big")
    body = bytes([rorg]) + data
    body = vaes(key, code, body) if how.sealed else body
    mac = cmac(key, b"\x31" + body + code, how.mac)
    return Packet(1, b"\x31" + body + code[how.rlc - how.sent :] + mac + bytes.fromhex(sender) + b"\0", b"")


@pytest.mark.parametrize(
    ("key", "code", "plain", "cipher", "rorg", "mac"),
    [
        (KEY, "C0FFEE", "A50827FF80", "3EEAC4A2DF", 0x31, "EAF20E"),
        (KEY_3, "01020304", "D1" + bytes(range(0x1E)).hex(),
         "BB17C17A05CAF5575DE208302FB572A0FD3A4434A41096F102E60DC20D777A", 0x31, "3B4C380F"),
    ],
)  # fmt: skip
def test_the_vectors_of_the_specification(key: bytes, code: str, plain: str, cipher: str, rorg: int, mac: str) -> None:
    rlc = bytes.fromhex(code)
    assert vaes(key, rlc, bytes.fromhex(plain)).hex().upper() == cipher
    assert vaes(key, rlc, bytes.fromhex(cipher)).hex() == plain.lower()
    covered = bytes([rorg]) + bytes.fromhex(cipher) + rlc
    assert cmac(key, covered, len(mac) // 2).hex().upper() == mac


def test_the_telegrams_of_the_specification_are_opened() -> None:
    found = open_(SEC_ENCAPS, bytes.fromhex("3EEAC4A2DFEAF20E"), KEY, level(0x8B), 0xC0FFEE - 1)
    assert found == (0xA5, bytes.fromhex("0827FF80"), 0xC0FFEE)
    found = open_(SEC, bytes.fromhex("0E05E56D"), KEY, level(0x8B), 0x3E2D00 - 5)
    assert found is not None
    assert found.payload[0] & 0x0F == 0x09


async def test_a_switch_is_taught_in_within_a_window_and_then_read() -> None:
    session = FakeSession("enocean", devices=[SWITCH], metrics=METRICS, holds_keys=True)
    listening = Listening(session, lambda: True)
    for n, packet in enumerate(packets(*PTM)):
        await listening.hear(packet, 10.0 + n)
    assert [report.values for report in session.reports] == [{"button": "A0 pressed"}, {"button": "released"}]
    assert [report.proof for report in session.reports] == [
        hub.Proof(scheme="enocean-sec-weak", counter=n, authenticated=True, sealed=True) for n in (0xC0FF, 0xC100)
    ]
    assert trust_class(session.reports[0].proof, protected=False) is TrustClass.B, "16 bits of code and 24 of MAC"
    assert session.drops == []
    assert session.candidates == []


async def test_outside_of_the_window_nothing_is_learned() -> None:
    session = FakeSession("enocean", devices=[SWITCH], metrics=METRICS, holds_keys=True)
    listening = Listening(session)
    for n, packet in enumerate(packets(*PTM)):
        await listening.hear(packet, 10.0 + n)
    assert session.reports == []
    assert session.drops == [(SWITCH.id, "pairing-closed")] * 2 + [(SWITCH.id, "needs-key")] * 2
    assert not session.state


async def test_a_stranger_that_teaches_itself_in_is_a_candidate_whose_key_nobody_keeps() -> None:
    session = FakeSession("enocean", metrics=METRICS)
    listening = Listening(session, lambda: True)
    for n, packet in enumerate(packets(*PTM)):
        await listening.hear(packet, 10.0 + n)
    (candidate,) = session.candidates
    assert (candidate.model, candidate.evidence) == ("EnOcean secured", {"security": "SLF 4B"})
    assert not session.state
    assert session.drops == [("", "not-admitted")] * 2


async def test_what_was_heard_before_is_never_heard_again() -> None:
    """Replay at once, replay later, replay after the hub started anew; and telegrams that were lost in between."""
    session = FakeSession("enocean", devices=[SWITCH], metrics=METRICS, holds_keys=True)
    listening = Listening(session, lambda: True)
    for n, packet in enumerate(packets(*PTM)):
        await listening.hear(packet, 10.0 + n)
    pressed, released = packets(*PTM[2:])
    await listening.hear(released, 13.1)  # a repeater's copy
    await listening.hear(released, 99.0)  # the last one again: silently nothing
    await listening.hear(pressed, 100.0)
    await Listening(session).hear(pressed, 200.0)
    assert len(session.reports) == 2
    assert session.drops == [(SWITCH.id, "bad-mic")] * 2


ROOM = hub.Device(
    id="enocean:018F2B3C", integration="enocean", place="room", key=KEY, settings={"eep": "A5-04-01", "slf": "F3"}
)
DATA = bytes.fromhex("00647d08")


async def test_a_sensor_with_a_key_is_of_class_a_and_an_old_telegram_counts_for_nothing() -> None:
    session = FakeSession("enocean", devices=[ROOM], metrics=METRICS)
    listening = Listening(session)
    for now, counter in enumerate((500, 501, 501, 400, 70_000, 3)):
        await listening.hear(sealed(counter, 0xA5, DATA), float(now))
    assert [report.proof.counter for report in session.reports if report.proof] == [500, 501, 70_000]
    assert session.reports[0].values == {"humidity": 40, "temperature": 20}
    assert trust_class(session.reports[0].proof, protected=False) is TrustClass.A
    assert session.drops == [(ROOM.id, "bad-mic")] * 2


async def test_a_kill_while_a_reading_waits_for_room_leaves_its_telegram_to_be_said_again() -> None:
    session = FakeSession("enocean", devices=[ROOM], metrics=METRICS)
    session.room.clear()
    waiting = asyncio.create_task(Listening(session).hear(sealed(500, 0xA5, DATA), 1.0))
    await settle()
    assert dict(session.state) == {}, "its counter is not used up before its reading is taken"
    waiting.cancel()
    await settle()
    session.room.set()
    listening = Listening(session)  # the next process
    for now in (2.0, 2.1, 9.0):
        await listening.hear(sealed(500, 0xA5, DATA), now)
    assert [report.proof.counter for report in session.reports if report.proof] == [500]
    assert session.state[f"rlc/{ROOM.id}"][1] == 500
    assert session.drops == []


async def test_a_copy_that_came_while_the_first_waited_for_room_counts_once() -> None:
    clear = hub.Device(id=ROOM.id, integration="enocean", place="room", settings={"eep": "A5-04-01"})
    session = FakeSession("enocean", devices=[clear], metrics=METRICS)
    heard = Packet(1, b"\xa5" + DATA + bytes.fromhex("018F2B3C") + b"\0", b"")
    listening = Listening(session)
    session.room.clear()
    asyncio.get_running_loop().call_later(REPEAT_S + 0.05, session.room.set)
    for _ in range(2):  # as `run` does: the copy is read when the first is done
        await listening.hear(heard, time.monotonic())
    assert len(session.reports) == 1


async def test_what_is_changed_sealed_under_another_key_or_in_clear_is_refused() -> None:
    session = FakeSession("enocean", devices=[ROOM], metrics=METRICS)
    listening = Listening(session)
    good = sealed(500, 0xA5, DATA)
    changed = good._replace(data=good.data[:3] + bytes([good.data[3] ^ 1]) + good.data[4:])
    clear = Packet(1, b"\xa5" + DATA + bytes.fromhex("018f2b3c00"), b"")
    short = Packet(1, b"\x31\x00" + bytes.fromhex("018f2b3c00"), b"")
    for n, packet in enumerate((changed, sealed(500, 0xA5, DATA, key=KEY_3), clear, short)):
        await listening.hear(packet, float(n))
    assert session.reports == []
    assert [reason for _, reason in session.drops] == ["bad-mic", "bad-mic", "clear-but-keyed", "enocean-length"]
    await listening.hear(good, 10.0)
    assert len(session.reports) == 1, "a forgery moved nothing"


@pytest.mark.parametrize("slf", [0x4B, 0x6B, 0x8B, 0xAB, 0xCB, 0xD3, 0xF3, 0xF0])
async def test_a_code_that_starts_over_goes_on_rising_here(slf: int) -> None:
    bits = 8 * level(slf).rlc
    start = (1 << bits) - 2
    code = f"{start:0{bits // 4}X}"
    device = msgspec.structs.replace(ROOM, settings={"eep": "A5-04-01", "slf": f"{slf:02X}", "rlc": code})
    session = FakeSession("enocean", devices=[device], metrics=METRICS)
    listening = Listening(session)
    for n in range(4):
        await listening.hear(sealed(start + n, 0xA5, DATA, slf=slf), float(n))
    assert [report.proof.counter for report in session.reports if report.proof] == [start + n for n in range(4)]
    await listening.hear(sealed(start, 0xA5, DATA, slf=slf), 9.0)
    assert session.drops == [(device.id, "bad-mic")]


async def test_so_many_telegrams_may_be_lost_and_no_more() -> None:
    device = msgspec.structs.replace(ROOM, settings={"eep": "A5-04-01", "slf": "8B", "rlc": "000100"})
    session = FakeSession("enocean", devices=[device], metrics=METRICS)
    listening = Listening(session)
    await listening.hear(sealed(0xFF + WINDOW, 0xA5, DATA, slf=0x8B), 1.0)
    await listening.hear(sealed(0xFF + 2 * WINDOW + 1, 0xA5, DATA, slf=0x8B), 2.0)
    assert len(session.reports) == 1
    assert session.drops == [(device.id, "bad-mic")]


async def test_a_device_that_is_taught_in_again_never_reuses_a_number() -> None:
    session = FakeSession("enocean", devices=[SWITCH], metrics=METRICS, holds_keys=True)
    listening = Listening(session, lambda: True)
    for n, packet in enumerate([*packets(*PTM), *packets(*PTM)]):
        await listening.hear(packet, 10.0 + n)
    counters = [report.proof.counter for report in session.reports if report.proof]
    assert counters == sorted(set(counters))
    assert len(counters) == 4


async def test_a_key_without_what_belongs_to_it_says_what_is_missing() -> None:
    for given_, reason in (({}, "enocean-slf"), ({"slf": "8B"}, "enocean-rlc")):
        device = msgspec.structs.replace(ROOM, settings={"eep": "A5-04-01", **given_})
        session = FakeSession("enocean", devices=[device], metrics=METRICS)
        await Listening(session).hear(sealed(5, 0xA5, DATA, slf=0x8B), 1.0)
        assert session.drops == [(device.id, reason)]


@pytest.mark.parametrize(
    ("slf", "said"), [("83", "not read"), ("0B", "not read"), ("8C", "not read"), ("xx", "two hex")]
)
def test_a_level_that_proves_nothing_is_refused_with_a_reason(slf: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        DeviceSettings(eep="A5-04-01", slf=slf)


async def test_the_channels_of_an_actuator_are_devices_of_their_own_with_one_key() -> None:
    one = msgspec.structs.replace(ROOM, settings={"eep": "D2-01-12", "slf": "F3"})
    two = msgspec.structs.replace(one, id=f"{one.id}-1", place="lamp", key=None)
    session = FakeSession("enocean", devices=[one, two], metrics=METRICS)
    listening = Listening(session)
    await listening.hear(sealed(1, 0xD2, bytes.fromhex("0460e4")), 1.0)
    await listening.hear(sealed(2, 0xD2, bytes.fromhex("046180")), 2.0)
    assert [(report.device, report.values) for report in session.reports] == [
        (one.id, {"powered": True}),
        (two.id, {"powered": False}),
    ]


def test_the_second_half_of_a_teach_in_alone_late_or_under_a_psk_teaches_nothing() -> None:
    first, second = (packet.data[1:-5] for packet in packets(*PTM[:2]))
    teach_ins = TeachIns()
    for payloads, seconds, reason in (
        ([second], 0.0, "enocean-teach-in"), ([first, second], 5.0, "enocean-teach-in"),
        ([bytes([first[0] | 8]) + first[1:]], 0.0, "enocean-psk"), ([first, second[:-1]], 0.0, "enocean-length"),
        ([b"\x24"], 0.0, "enocean-length"), ([bytes([0x24, 0x03]) + first[2:]], 0.0, "enocean-slf"),
    ):  # fmt: skip
        for n, payload in enumerate(payloads[:-1]):
            assert teach_ins.take("enocean:1", payload, 10.0 + n * seconds) is None
        with pytest.raises(hub.DecodeError) as caught:
            teach_ins.take("enocean:1", payloads[-1], 10.0 + (len(payloads) - 1) * seconds)
        assert caught.value.reason == reason
    taught = TeachIns()
    assert taught.take("enocean:1", first, 1.0) is None
    whole = taught.take("enocean:1", second, 1.1)
    assert whole == (0x4B, 0xC0FF, KEY, True)
    assert KEY.hex() not in repr(whole)


def test_a_flood_of_first_halves_fills_no_memory_and_pushes_nobody_out() -> None:
    first, second = (packet.data[1:-5] for packet in packets(*PTM[:2]))
    teach_ins = TeachIns()
    teach_ins.take("enocean:mine", first, 1.0)
    for n in range(1000):
        teach_ins.take(f"enocean:{n}", first, 1.1)
    assert len(teach_ins._first) <= 8
    assert teach_ins.take("enocean:mine", second, 1.2) is not None


@pytest.mark.real("network")
async def test_the_window_of_the_configuration_closes_by_itself() -> None:
    with pytest.raises(ValueError, match="timezone"):
        Config(port="/dev/null", pairing_until=datetime.fromisoformat("2026-09-01T12:00:00"))
    from .test_run import gateway

    for until, learned in ((timedelta(minutes=5), True), (timedelta(minutes=-5), False)):
        session = FakeSession("enocean", devices=[SWITCH], metrics=METRICS, holds_keys=True)
        async with gateway(*PTM) as port:
            from integrations.enocean import run

            with pytest.raises(hub.NotReady, match="is gone"):
                await session.run(run, Config(port=port, pairing_until=datetime.now(UTC) + until))
        assert bool(session.reports) is learned


def test_the_command_opens_a_telegram(tmp_path_factory: pytest.TempPathFactory) -> None:
    key = tmp_path_factory.mktemp("key") / "key"
    key.write_text(KEY.hex())
    lines = [
        {"packet": PTM[2].hex(), "eep": "F6-02-01", "slf": "4B", "rlc": "C0FF"},
        {"packet": pack(1, sealed(7, 0xA5, DATA).data).hex(), "eep": "A5-04-01", "slf": "F3"},
    ]
    done = CliRunner().invoke(decode_command, ["enocean", "--key-file", str(key), *map(json.dumps, lines)])
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.exit_code == 0
    assert [line["readings"] for line in told if "readings" in line] == [
        {"button": "A0 pressed"},
        {"humidity": 40, "temperature": 20},
    ]
    assert KEY.hex() not in done.stdout.lower()
    done = CliRunner().invoke(decode_command, ["enocean", PTM[2].hex(), PTM[0].hex(), "a510080b80018f2b3c00", "55"])
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["error"] for line in told if "error" in line] == ["needs-key", "esp3-crc"]
    assert {"teach_in": {"eep": "A5-04-01", "manufacturer": 11}} in told
    assert done.exit_code == 6


@settings.get_profile("hostile")
@given(st.sampled_from([0x30, 0x31]), st.binary(max_size=40), st.integers(0, 255), st.none() | st.integers(0, 1 << 32))
def test_no_telegram_of_a_stranger_is_opened(rorg: int, payload: bytes, slf: int, last: int | None) -> None:
    began = time.process_time()
    with contextlib.suppress(hub.DecodeError):
        assert open_(rorg, payload, KEY, level(slf), last) is None
    assert time.process_time() - began < 0.2  # ≤ 5 ms on its own, `bench/decoders.py`; a loaded machine is slower


@settings.get_profile("hostile")
@given(st.lists(st.tuples(st.sampled_from("ab"), st.binary(max_size=24), st.floats(0, 9)), max_size=8))
def test_no_teach_in_does_more_than_teach_or_be_refused(taken: list[tuple[str, bytes, float]]) -> None:
    teach_ins = TeachIns()
    for sender, payload, now in taken:
        with contextlib.suppress(hub.DecodeError):
            taught = teach_ins.take(sender, payload, now)
            assert taught is None or len(taught.key) == 16

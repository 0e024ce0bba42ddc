"""Peers that are no good: garbage, silence, answers without end, changes that nobody asked for."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any

import pytest
from bacnet_kit import HOST, OWN, config, free_port, last, running, until

import hub
from integrations.bacnet import decode, encode, names, tags
from integrations.bacnet.decode import Request, Station
from integrations.bacnet.link import Link, Silent
from integrations.bacnet.names import ObjectId, Refused

pytestmark = pytest.mark.real("network")

Script = Callable[[Request], list[bytes]]
"""A request → the APDUs that are sent back."""
DEVICE = ObjectId(8, 1201)
TEMPERATURE = {"analog-input:1": {"metric": "temperature"}}


class Raw(asyncio.DatagramProtocol):
    """A peer made by hand."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.asked: list[Request] = []
        self.sent_by: tuple[str, int] | None = None
        self.other: list[bytes] = []

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.sent_by = addr
        with contextlib.suppress(hub.DecodeError):
            said = decode.datagram(data, *addr)
            if isinstance(said, Request):
                self.asked.append(said)
                for apdu in self.script(said):
                    self.send(apdu)
                return
        self.other.append(data)

    def send(self, apdu: bytes) -> None:
        self.raw(encode.unicast(b"\1\0" + apdu))

    def raw(self, datagram: bytes) -> None:
        self.transport.sendto(datagram, self.sent_by)


@contextlib.asynccontextmanager
async def raw(script: Script) -> AsyncIterator[tuple[Raw, Station]]:
    port = free_port()
    transport, peer = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: Raw(script), local_addr=(HOST, port)
    )
    try:
        yield peer, Station(HOST, port)
    finally:
        transport.close()


def ack(request: Request, body: bytes) -> bytes:
    return bytes((0x30, request.invoke or 0, request.service)) + body


def prop(which: int, value: bytes) -> bytes:
    return tags.context(1, which) + tags.opening(3) + value + tags.closing(3)


def result(who: ObjectId, values: dict[int, bytes]) -> bytes:
    inner = b"".join(tags.context(2, one) + tags.opening(4) + value + tags.closing(4) for one, value in values.items())
    return tags.context(0, who) + tags.opening(1) + inner + tags.closing(1)


REAL = tags.application(tags.REAL, 21.5)
CELSIUS = tags.application(tags.ENUMERATED, 62)
FLAGS = b"\x82\x04\x00"
IDENTITY = tags.context(0, DEVICE) + prop(75, tags.tag(tags.OBJECT, (8 << 22 | 1201).to_bytes(4, "big")))


def device(request: Request) -> list[bytes]:
    """A device with one object, well behaved."""
    if request.service == names.READ_PROPERTY:
        return [ack(request, IDENTITY)]
    if request.service == names.SUBSCRIBE_COV:
        return [encode.simple_ack(request.service, request.invoke or 0)]
    if request.service == names.READ_MULTIPLE:
        wanted = request.data
        if wanted[:5] == tags.context(0, DEVICE):
            return [ack(request, result(DEVICE, {62: tags.application(tags.UNSIGNED, 480)}))]
        values = {117: CELSIUS} if b"\x09\x75" in wanted else {85: REAL, 111: FLAGS}
        return [ack(request, result(ObjectId(0, 1), values))]
    return []


def known(station: Station) -> hub.Device:
    settings = {"address": f"{station.host}:{station.port}", "objects": TEMPERATURE}
    return hub.Device(id="bacnet:1201", integration="bacnet", place="p", settings=settings)


async def test_the_hand_made_device_is_one() -> None:
    async with raw(device) as (_, station), running(config(), [known(station)]) as session:
        await until(lambda: last(session) == {"temperature": 21.5})


async def test_garbage_costs_itself_and_the_device_goes_on_being_read(caplog: pytest.LogCaptureFixture) -> None:
    rng = random.Random(1)
    async with raw(device) as (peer, station), running(config(), [known(station)]) as session:
        await until(lambda: last(session))
        good = encode.unicast(b"\1\0" + ack(peer.asked[-1], IDENTITY))
        for n in range(2000):
            bent = bytearray(good if n % 2 else rng.randbytes(rng.randrange(1, 60)))
            bent[rng.randrange(len(bent))] ^= 1 << rng.randrange(8)
            peer.raw(bytes(bent))
            if n % 100 == 0:
                await asyncio.sleep(0)
        count = len(session.reports)
        await until(lambda: len(session.reports) > count + 2, "read on")
        assert {name for name, _ in session.drops} == {"bacnet:1201"}
        reasons = {reason for _, reason in session.drops}
        # a bent copy that comes while its question waits is its answer, or its refusal
        refused = {one for one in reasons if one.startswith(("error-", "reject-", "abort-"))} | {*names.ERRORS.values()}
        assert (
            {"not-bacnet", "bad-length"}
            <= reasons
            <= refused
            | {
                "not-bacnet",
                "bad-length",
                "truncated",
                "bvlc-function",
                "npdu-version",
                "bad-source",
                "pdu-type",
                "bad-tag",
                "bad-value",
                "unasked",
                "cov-silent",
                "bad-answer",
            }
        )
    assert "Traceback" not in caplog.text


async def test_answers_that_are_wrong_are_counted_and_the_object_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    wrong: dict[str, Callable[[Request], bytes]] = {
        "truncated": lambda r: ack(r, result(ObjectId(0, 1), {85: REAL})[:-6]),
        "bad-answer": lambda r: ack(r, result(ObjectId(0, 2), {85: REAL})),
        "bad-value": lambda r: ack(r, result(ObjectId(0, 1), {85: b"\x42\x00\x00"})),  # a real of two octets
        "bad-tag": lambda r: ack(r, b"\x1f" * 10),
    }
    for reason, make in wrong.items():
        caplog.clear()

        def script(request: Request, make: Callable[[Request], bytes] = make) -> list[bytes]:
            poll = request.service == names.READ_MULTIPLE and b"\x09\x55" in request.data
            return [make(request)] if poll else device(request)

        async with raw(script) as (_, station), running(config(notifications="none"), [known(station)]) as session:
            await until(lambda one=reason, s=session: len([r for _, r in s.drops if r == one]) >= 2, reason)
            assert session.reports == []
        assert caplog.text.count("is not read") == 1, reason


@contextlib.asynccontextmanager
async def linked(script: Script, **options: Any) -> AsyncIterator[tuple[Link, Raw, Station, list[str]]]:
    drops: list[str] = []

    def dropped(_station: Station | None, error: Exception) -> None:
        drops.append(error.reason if isinstance(error, hub.DecodeError) else str(error))

    async with raw(script) as (peer, station), Link(config(**options), dropped=dropped) as link:
        link.join(station)
        yield link, peer, station, drops


async def test_an_answer_in_segments_is_put_together_and_one_without_end_is_aborted() -> None:
    body, size = bytes(range(256)) * 8, 500
    sent: dict[int, int] = {}

    def script(request: Request) -> list[bytes]:
        sent[request.invoke or 0] = 0
        return [segment(request.invoke or 0, 0)]

    def segment(invoke: int, n: int) -> bytes:
        endless = invoke == 1
        more = endless or (n + 1) * size < len(body)
        part = body[:size] if endless else body[n * size : (n + 1) * size]
        return bytes((0x38 | (4 if more else 0), invoke, n % 256, 2, 14)) + part

    async with linked(script) as (link, peer, station, _):
        receive = peer.datagram_received

        def acked(data: bytes, addr: tuple[str, int]) -> None:
            said = decode.datagram(data, *addr)
            if isinstance(said, decode.SegmentAck):
                last_one = data[-2]
                for n in (last_one + 1, last_one + 2):  # a window of two
                    if said.invoke == 1 or n * size < len(body):
                        peer.send(segment(said.invoke, n))
            else:
                receive(data, addr)

        peer.datagram_received = acked  # type: ignore[method-assign]
        assert await link.request(station, names.READ_MULTIPLE, b"") == body
        with pytest.raises(Refused) as caught:
            await link.request(station, names.READ_MULTIPLE, b"")
        assert caught.value.too_large
        await until(lambda: any(data[6] >> 4 == 7 for data in peer.other), "an abort is sent")


async def test_lost_segments_are_sent_again_or_the_request_is() -> None:
    tries: list[int] = []

    def script(request: Request) -> list[bytes]:
        tries.append(request.invoke or 0)
        first = bytes((0x3C, request.invoke or 0, 0, 4, 14)) + b"one"
        second = bytes((0x38, request.invoke or 0, 1, 4, 14)) + b"two"
        return [first] if len(tries) == 1 else [first, second]  # the first time the second half is lost

    async with linked(script, timeout=2.0) as (link, _, station, _drops):
        assert await link.request(station, names.READ_MULTIPLE, b"", attempts=2) == b"onetwo"
        assert tries == [0, 0], "the same request again, under its number"


async def test_an_answer_counts_only_from_whom_was_asked_and_to_what() -> None:
    async with linked(lambda _: [], timeout=1.5) as (link, peer, station, drops), raw(lambda _: []) as (stranger, _):
        asking = asyncio.create_task(link.request(station, names.READ_PROPERTY, b""))
        await until(lambda: peer.asked)
        stranger.sent_by = peer.sent_by
        stranger.send(ack(peer.asked[0], b"mine"))  # the right number, from another address
        peer.send(bytes((0x30, 77, names.READ_PROPERTY)) + b"theirs")  # another number
        with pytest.raises(Silent):
            await asking
        await until(lambda: len(drops) == 2)
        assert drops == ["unasked", "unasked"]
        peer.script = lambda request: [bytes((0x30, request.invoke or 0, names.READ_MULTIPLE)) + b"x"]
        with pytest.raises(hub.DecodeError, match="another service"):
            await link.request(station, names.READ_PROPERTY, b"")


async def test_a_late_answer_is_not_that_to_the_first_request_after_the_station_was_away() -> None:
    async with linked(lambda _: [], timeout=1.0) as (link, peer, station, drops):
        with pytest.raises(Silent):
            await link.request(station, names.READ_PROPERTY, b"")
        await until(lambda: peer.asked)
        link.leave(station)
        late = ack(peer.asked[0], b"late")
        peer.script = lambda request: [late, ack(request, b"fresh")]
        assert await link.request(station, names.READ_PROPERTY, b"") == b"fresh"
        assert drops == ["unasked"]


async def test_nobody_is_served_and_strangers_get_no_answer() -> None:
    async with linked(device) as (link, peer, station, _), raw(lambda _: []) as (stranger, _):
        await link.request(station, names.READ_PROPERTY, b"")
        peer.send(encode.confirmed(names.READ_PROPERTY, 9, encode.read_property(DEVICE, 77)))
        await until(lambda: peer.other)
        assert peer.other[-1][6:] == encode.reject(9, 9), (
            "a device that we talk to is told that we know no such service"
        )
        stranger.sent_by = peer.sent_by
        stranger.send(encode.confirmed(names.READ_PROPERTY, 9, encode.read_property(DEVICE, 77)))
        stranger.send(encode.unconfirmed(names.WHO_IS, b""))
        stranger.send(encode.confirmed(17, 3, b"\x09\x05\x19\x01"))  # DeviceCommunicationControl: be silent
        await link.request(station, names.READ_PROPERTY, b"")
        assert stranger.asked == []
        assert stranger.other == []


async def test_changes_that_nobody_subscribed_to_are_refused_and_counted() -> None:
    async with raw(device) as (peer, station), running(config(), [known(station)]) as session:
        subscribed = await until(lambda: [r for r in peer.asked if r.service == names.SUBSCRIBE_COV])
        process = tags.read(subscribed[0].data, 0)[0].data

        def news(who: ObjectId, device: ObjectId = DEVICE, number: bytes = process, value: float = 30.0) -> bytes:
            values = b"".join(
                tags.context(0, one) + tags.opening(2) + given + tags.closing(2)
                for one, given in ((85, tags.application(tags.REAL, value)), (111, FLAGS))
            )
            head = tags.tag(0, number, context=True) + tags.context(1, device) + tags.context(2, who)
            return head + tags.context(3, 60) + tags.opening(4) + values + tags.closing(4)

        peer.send(encode.confirmed(names.COV_CONFIRMED, 40, news(ObjectId(0, 1), value=25.0)))
        await until(lambda: last(session)["temperature"] == 25.0)
        await until(lambda: peer.other)
        assert peer.other[-1][6:] == encode.simple_ack(names.COV_CONFIRMED, 40)
        wrong = [
            news(ObjectId(0, 2)), news(ObjectId(0, 1), ObjectId(8, 7)), news(ObjectId(0, 1), number=b"\x05"),
        ]  # fmt: skip
        for n, body in enumerate(wrong):
            peer.other.clear()
            peer.send(encode.confirmed(names.COV_CONFIRMED, 50 + n, body))
            await until(lambda: peer.other)
            assert peer.other[0][6:] == encode.error(names.COV_CONFIRMED, 50 + n, 5, 79), "unknown subscription"
        peer.other.clear()
        peer.send(encode.confirmed(names.COV_CONFIRMED, 60, news(ObjectId(0, 1))[:-9]))
        await until(lambda: peer.other)
        assert peer.other[0][6:] == encode.reject(60, 4), "invalid tag"
        assert [reason for _, reason in session.drops if reason == "unknown-subscription"] == [
            "unknown-subscription"
        ] * 3
        async with raw(lambda _: []) as (stranger, _):
            stranger.sent_by = peer.sent_by
            stranger.send(encode.unconfirmed(names.COV_UNCONFIRMED, news(ObjectId(0, 1), value=99.0)))
            count = len(session.reports)
            await until(lambda: len(session.reports) > count + 1)
        assert 99.0 not in [report.values.get("temperature") for report in session.reports]


async def test_a_flood_of_changes_is_bounded_and_not_acknowledged_beyond() -> None:
    async with raw(device) as (peer, station), running(config(), [known(station)]) as session:
        subscribed = await until(lambda: [r for r in peer.asked if r.service == names.SUBSCRIBE_COV])
        head = tags.tag(0, tags.read(subscribed[0].data, 0)[0].data, context=True) + tags.context(1, DEVICE)
        head += tags.context(2, ObjectId(0, 1))
        value = tags.context(0, 85) + tags.opening(2) + REAL + tags.closing(2)
        waiting = asyncio.Event()
        emit = session.emit

        async def stuck(report: hub.Report, *, durable: bool = False) -> None:
            await waiting.wait()
            await emit(report, durable=durable)

        session.emit = stuck  # type: ignore[method-assign]
        peer.other.clear()
        for n in range(600):
            body = head + tags.context(3, 1000 - n) + tags.opening(4) + value + tags.closing(4)  # none repeats another
            peer.send(encode.confirmed(names.COV_CONFIRMED, n % 256, body))
            if n % 50 == 0:
                await asyncio.sleep(0.01)
        await until(lambda: "too-many-changes" in {reason for _, reason in session.drops})

        def acks() -> int:
            return sum(data[6] >> 4 == 2 for data in peer.other)

        await until(lambda: acks() > 200, "those that it took are acknowledged")
        await asyncio.sleep(0.1)
        assert acks() <= 258
        waiting.set()


async def test_requests_leave_at_the_pace_of_the_network() -> None:
    patient = {"max_rate": 50.0, "timeout": 60.0}
    async with linked(lambda r: [encode.simple_ack(r.service, r.invoke or 0)], **patient) as (
        link,
        peer,
        station,
        _,
    ):
        other = Station(HOST, free_port())
        loop = asyncio.get_running_loop()
        began = loop.time()
        gone = asyncio.create_task(link.request(other, names.READ_PROPERTY, b""))
        for _ in range(20):
            await link.request(station, names.READ_PROPERTY, b"")
        took = loop.time() - began
        assert took >= 0.38, "21 requests at 50 a second"
        assert not gone.done(), "whatever the silent one does"
        assert len(peer.asked) == 20
        gone.cancel()


async def test_i_am_is_heard_only_while_somebody_asks() -> None:
    heard: list[int] = []
    i_am = encode.unconfirmed(names.I_AM, bytes.fromhex("c4020000012201e09101210f"))
    async with (
        raw(lambda r: [i_am] if r.service == names.WHO_IS else []) as (peer, station),
        Link(config(), heard=lambda said, _station, _data: heard.append(said.instance)) as link,
    ):
        peer.sent_by = (OWN, link.address[1])
        peer.send(i_am)
        await asyncio.sleep(0.1)
        assert heard == []
        await link.ask_one(station)
        await until(lambda: heard == [1])
        peer.send(encode.unconfirmed(names.I_AM, bytes.fromhex("c4008000012201e09101210f")))
        await asyncio.sleep(0.05)
        assert heard == [1], "no device, no I-Am"


def forwarded(origin: tuple[str, int], apdu: bytes) -> bytes:
    """As a BBMD passes a broadcast on: it says itself whose it is (Annex J.2.5)."""
    address = bytes(map(int, origin[0].split("."))) + origin[1].to_bytes(2, "big")
    return encode.bvlc(0x04, address + b"\1\0" + apdu)


I_AM = encode.unconfirmed(names.I_AM, bytes.fromhex("c4020000012201e09101210f"))
NOWHERE = {
    "this machine": ("127.0.0.9", 47808), "no machine": ("0.0.0.0", 47808), "a group": ("224.0.1.1", 47808),
    "everybody": ("255.255.255.255", 47808), "all of this network": ("10.0.3.255", 47808),
    "a machine of the Internet": ("8.8.8.8", 47808), "another service": ("10.0.3.7", 161), "no port": ("10.0.3.7", 0),
}  # fmt: skip


@pytest.mark.parametrize("twin", [False, True])
@pytest.mark.parametrize("where", NOWHERE)
async def test_nobody_who_passes_an_i_am_on_sends_the_hub_to_where_no_device_of_a_building_is(
    where: str, twin: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[Station] = []
    drops: list[Exception] = []
    options = config(address="0.0.0.0", discover={"broadcast": "10.0.3.255"})
    if twin:  # whoever passes it on is believed
        monkeypatch.setattr(Link, "_stay", lambda self, station, source: None)
    async with Link(
        options, heard=lambda said, station, _: heard.append(station), dropped=lambda _, error: drops.append(error)
    ) as link:
        link._listening_until = asyncio.get_running_loop().time() + 60
        link.received(forwarded(NOWHERE[where], I_AM), ("10.0.3.5", 47808))
        assert heard == ([Station(*NOWHERE[where])] if twin else [])
        assert [type(error) for error in drops] == ([] if twin else [hub.LedElsewhere])
        heard.clear()
        link.received(forwarded(("10.1.3.7", 47809), I_AM), ("10.0.3.5", 47808))
        assert heard == [Station("10.1.3.7", 47809)], "another network of the building, by way of its BBMD"


async def test_a_router_names_networks_behind_itself_and_never_another_address() -> None:
    async with raw(device) as (peer, station), running(config(), [known(station)]) as session:
        await until(lambda: last(session) == {"temperature": 21.5})
        reports = len(session.reports)
        for message in (b"\x01\x80\x01\x00\x05", b"\x01\x80\x02\x00\x05\x00", b"\x01\x80\x07\x01\x00\x05\x01\x00"):
            for function in (0x0A, 0x0B):  # I-Am-Router, I-Could-Be-Router, Initialize-Routing-Table
                peer.raw(encode.bvlc(function, message))
            peer.raw(encode.bvlc(0x04, b"\x7f\x00\x00\x09\xba\xc0" + message))
        asked = len(peer.asked)
        await until(lambda: len(session.reports) > reports + 2)
        assert len(peer.asked) >= asked + 2, "it is asked where it was"


def notification(process: int, value: float, remaining: int = 60) -> bytes:
    """ConfirmedCOVNotification (Clause 13.12) of the object's present value."""
    listed = b"".join(
        tags.context(0, which) + tags.opening(2) + said + tags.closing(2)
        for which, said in ((85, tags.application(tags.REAL, value)), (111, FLAGS))
    )
    about = tags.context(0, process) + tags.context(1, DEVICE) + tags.context(2, ObjectId(0, 1))
    return about + tags.context(3, remaining) + tags.opening(4) + listed + tags.closing(4)


@pytest.mark.parametrize(("twin", "told"), [(False, 3), (True, 5)])
async def test_a_notification_whose_acknowledgement_was_lost_is_told_once_and_a_twin_tells_each(
    monkeypatch: pytest.MonkeyPatch, twin: bool, told: int
) -> None:
    if twin:
        monkeypatch.setattr("integrations.bacnet.link.REPEATED_S", 0.0)
    processes: list[int] = []

    def subscribed(request: Request) -> list[bytes]:
        if request.service == names.SUBSCRIBE_COV:
            processes.append(int.from_bytes(request.data[1 : 1 + (request.data[0] & 7)], "big"))
        return device(request)

    options = config(interval=timedelta(hours=1))
    async with raw(subscribed) as (peer, station), running(options, [known(station)]) as session:
        await until(lambda: processes and last(session) == {"temperature": 21.5})
        session.reports.clear()
        for invoke, value in ((7, 22.0), (7, 22.0), (7, 22.0), (8, 22.0), (7, 23.0)):  # the last two are new
            answered = len(peer.other)
            peer.send(encode.confirmed(names.COV_CONFIRMED, invoke, notification(processes[-1], value)))
            await until(lambda answered=answered: len(peer.other) > answered)  # type: ignore[misc]
        await until(lambda: len(session.reports) >= told)
    assert [report.values["temperature"] for report in session.reports] == ([22.0] * (told - 1) + [23.0])
    assert {datagram[-3:] for datagram in peer.other} == {encode.simple_ack(names.COV_CONFIRMED, n) for n in (7, 8)}

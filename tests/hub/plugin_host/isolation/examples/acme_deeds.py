"""A plugin that does one deed of each kind, and tells in its state what it saw. Run in the hub's process and apart."""

import asyncio
import os
import time
from datetime import timedelta
from typing import Any

import hub
from hub.core.errors import DecodeError, NotReady
from hub.core.model import Candidate, Frame, Position, Proof, Quality, Signal

OWN, FOREIGN = "acme:1", "modbus:meter"


class Options(hub.Config):
    does: str
    n: int = 0
    interval: timedelta = timedelta(seconds=10)
    tcp: str = ""
    tls: str = ""
    udp: str = ""
    deaf: str = ""
    ca: str = ""


class Settings(hub.Config):
    unit: int = 1


def named(error: BaseException) -> list[str]:
    return [type(error).__name__, str(error)]


async def emits(config: Options, session: hub.Session) -> Any:
    await session.emit(hub.Report(device=OWN, values={"temperature": 20.5, "humidity": 40}))
    await session.emit(
        hub.Report(device=OWN, values={"temperature": 21.0}, time=1_800_000_000.0, quality=Quality.UNCERTAIN),
        hub.Report(device=OWN, values={"humidity": 41}, proof=Proof("acme", 7, True), signal=Signal(rssi=-70)),
    )
    await session.emit(hub.Report(device="acme:stranger", values={"temperature": 5.0}))
    await session.emit(hub.Report(device=OWN, values={}, position=Position(43.6, 3.9)), durable=True)
    await session.emit(durable=True)


async def is_refused(config: Options, session: hub.Session) -> Any:
    saw, calls = [], []
    session.state.put("counter", 1)
    for reports in ([hub.Report(device=FOREIGN, values={"power": 1.0})], [{"device": OWN}]):
        try:
            await session.emit(*reports, note=lambda: calls.append(session.state.put("counter", 2)))
        except hub.PluginError as error:
            saw.append(named(error))
    return [saw, calls, session.state.get("counter")]


async def hands_over_too_much(config: Options, session: hub.Session) -> Any:
    saw = []
    report = hub.Report(device=OWN, values={"temperature": 1.0})
    for reports in ([report] * 2000, [hub.Report(device=OWN, values={f"x{n}": 1.0 for n in range(5000)})]):
        try:
            await session.emit(*reports)
        except hub.PluginError as error:
            saw.append(named(error))
    try:
        session.devices.discovered(Candidate(id="acme:new", integration="", evidence={"name": "x" * 20_000}))
    except hub.PluginError as error:
        saw.append(named(error))
    return saw


async def notes(config: Options, session: hub.Session) -> Any:
    def fails() -> None:
        raise KeyError("note")

    def put(n: int) -> None:
        session.state.put("counter", n)

    for n in range(3):
        await session.emit(hub.Report(device=OWN, values={"temperature": 20.0 + n}), note=lambda n=n: put(n))
    try:
        await session.emit(hub.Report(device=OWN, values={"temperature": 99.0}), note=fails)
    except KeyError as error:
        return [named(error), session.state.get("counter")]


async def keeps(config: Options, session: hub.Session) -> Any:
    state, saw = session.state, []
    state.put("a", {"b": [1, 2.5, None, b"x"]})
    state.put("gone", 1)
    state.put("gone", None)
    for key, value in (("big", b"x" * 300_000), ("odd", object()), ("\ud800", 1), ("k" * 2000, 1)):
        try:
            state.put(key, value)
        except hub.PluginError as error:
            saw.append(named(error))
    return [saw, state.get("a"), state.get("gone", "none"), state.get("former")]


async def knows_its_devices(config: Options, session: hub.Session) -> Any:
    devices, saw = session.devices, []
    saw.append(sorted(one.id for one in devices.all()))
    saw.append([devices.get(FOREIGN) is None, devices.get(OWN).settings_as(Settings).unit, devices.get(OWN).key])
    devices.declare(OWN, model="T1", firmware="2.0", metrics=(hub.Metric(key="wibble", resolution="1"),))
    for device, metrics in ((FOREIGN, ()), (OWN, (hub.Metric(key="wobble", unit="nonsense"),))):
        try:
            devices.declare(device, metrics=metrics)
        except hub.PluginError as error:
            saw.append(named(error))
    await session.emit(hub.Report(device=OWN, values={"wibble": 3}))
    devices.discovered(Candidate(id="acme:new", integration="", evidence={"name": "tag"}))
    return [*saw, devices.timezone]


async def follows_changes(config: Options, session: hub.Session) -> Any:
    saw = []
    session.state.put("listens", True)
    async for device in session.devices.changes():
        now = session.devices.get(device.id)
        saw.append([device.id, None if now is None else now.place])
        session.state.put("changes", saw)
        if len(saw) == config.n:
            break
    return saw


async def obeys(config: Options, session: hub.Session) -> Any:
    commands, saw = session.commands, []
    commands.offer("rejoin")
    async for command in commands:
        saw.append([command.device, command.metric, command.value, commands.wanted(command)])
        commands.answer(command, "sent")
        commands.answer(command, "done" if command.value == 55.0 else "failed", "too warm")
        saw[-1].append(commands.wanted(command))
        if len(saw) == config.n:
            break
    return saw


async def polls(config: Options, session: hub.Session) -> Any:
    saw = []
    async for now in session.polling.poll_cycles(config.interval, lambda: [OWN]):
        saw.append(now)
        session.polling.polled(OWN, "silent")
        session.state.put("cycles", len(saw))
        if len(saw) == config.n:
            break
    return saw


async def ticks(config: Options, session: hub.Session) -> Any:
    saw = []
    async for now in session.every(config.interval):
        saw.append(now)
        session.state.put("ticks", len(saw))
        if len(saw) == config.n:
            break
    return saw


async def has_a_timetable(config: Options, session: hub.Session) -> Any:
    now = session.polling.set_poll_intervals({OWN: timedelta(seconds=60)}, timedelta(seconds=5))
    try:
        session.every(timedelta(0))
        async for _ in session.every(timedelta(0)):
            break
    except hub.PluginError as error:
        return [now[OWN].total_seconds(), named(error)]


async def hears(config: Options, session: hub.Session) -> Any:
    radio = session.radio
    saw = [await radio.submit_frame(Frame(kind="ble", address=one, data={"x": b"1"})) for one in ("known", "other")]
    radio.report_decode_error(OWN, DecodeError("bad-mic", "wrong key?"))
    radio.report_decode_error("acme:stranger", ValueError("x"))
    radio.publish_facts(OWN, {"rssi": -70, "name": "x"})
    try:
        radio.publish_facts(OWN, {"big": "x" * 5000})
    except hub.PluginError as error:
        saw.append(named(error))
    return saw


async def calls(config: Options, session: hub.Session) -> Any:
    reply = await session.http.request("POST", "https://acme.example/a", headers={"x": "1"}, body=b"hello")
    saw = [reply.status, reply.headers, reply.json()]
    try:
        await session.http.request("GET", "https://acme.example/nothing")
    except NotReady as error:
        saw.append(named(error))
    return saw


async def uses_a_bus(config: Options, session: hub.Session) -> Any:
    saw: list[Any] = []
    try:
        session.bus("none")
    except hub.AuthFailed as error:
        saw.append(named(error))
    bus = session.bus("rs485")

    def whole(came: bytes) -> int | None:
        if came.startswith(b"bad"):
            raise DecodeError("bad-answer", came.decode())
        return came.index(b"\n") + 1 if b"\n" in came else None

    saw.append(await bus.transact(b"question\n", whole, timeout=timedelta(seconds=60)))
    try:
        await bus.transact(b"bad\n", whole, timeout=timedelta(seconds=60))
    except DecodeError as error:
        saw.append(named(error))
    saw.append(await bus.transact(b"silence\n", whole, timeout=timedelta(milliseconds=50)))
    async with bus.open() as turn:
        await turn.send(b"more\n")
        came = b""
        while not came.endswith(b"\n"):
            came += await turn.receive()
        saw.append(came)
    return saw


async def reads_payloads(config: Options, session: hub.Session) -> Any:
    packs = session.packs
    saw: list[Any] = [await packs.get(OWN)]
    samples = await packs.decode(OWN, 1, b"\xd7\x05\x01", 1_800_000_000.0)
    saw.append([[sample.values, sample.time] for sample in samples])
    for call in (
        packs.decode(OWN, 1, b"\x01"),
        packs.decode(FOREIGN, 1, b"\xd7\x05\x01"),
        packs.encode(OWN, "nothing", {"a": 1.0}),
    ):
        try:
            saw.append(await call)
        except hub.HubError as error:
            saw.append(named(error))
    return saw and [saw[0].name, *saw[1:]]


async def is_away(config: Options, session: hub.Session) -> Any:
    raise NotReady("the boiler is off")


async def is_locked_out(config: Options, session: hub.Session) -> Any:
    raise hub.AuthFailed("the password is old")


async def is_wrong(config: Options, session: hub.Session) -> Any:
    raise KeyError("oops")


async def exits(config: Options, session: hub.Session) -> Any:
    raise SystemExit("enough")


async def logs(config: Options, session: hub.Session) -> Any:
    session.log.warning("the gateway %s is odd", "a%s")
    session.log.debug("nobody wants this")


async def floods_the_log(config: Options, session: hub.Session) -> Any:
    for n in range(1000):
        session.log.warning("line %d", n)


async def hangs(config: Options, session: hub.Session) -> Any:
    session.state.put("hangs", True)
    await session.emit(durable=True)
    time.sleep(60)


async def dies(config: Options, session: hub.Session) -> Any:
    os._exit(9)


async def cleans_up(config: Options, session: hub.Session) -> Any:
    try:
        session.state.put("runs", True)
        await asyncio.get_running_loop().create_future()
    finally:
        await session.emit(hub.Report(device=OWN, values={"temperature": 1.0}), durable=True)
        session.state.put("cleaned", True)


async def counts_up(config: Options, session: hub.Session) -> Any:
    n = session.state.get("n", 0)
    while True:
        n += 1
        report = hub.Report(device=OWN, values={"temperature": n / 100})
        await session.emit(report, durable=True, note=lambda n=n: session.state.put("n", n))
        session.log.info("durable %d", n)


async def hurries(config: Options, session: hub.Session) -> Any:
    for n in range(config.n):
        await session.emit(hub.Report(device=OWN, values={"temperature": n / 100}))
    await session.emit(durable=True)


async def speaks(config: Options, session: hub.Session) -> Any:
    saw: list[Any] = []
    for url, ca in ((config.tcp, ""), (config.tls, config.ca)):
        reader, writer = await session.network.connect(url, ca=ca)
        writer.write(b"hello " * 50_000)
        writer.write_eof() if writer.can_write_eof() else None
        saw.append(len(await reader.readexactly(300_000)))
        writer.close()
    loop = asyncio.get_running_loop()
    with await session.network.open_socket(config.udp) as packets:
        for said in (b"one", b"three"):
            await loop.sock_sendall(packets, said)
            saw.append((await loop.sock_recv(packets, 100)).decode())
    for ask in (session.network.connect, session.network.open_socket, session.network.listen):
        try:
            await ask("tcp://192.0.2.1:9")
        except Exception as error:
            saw.append(named(error))
    try:
        await session.network.connect(config.deaf)
    except hub.NotReady as error:
        saw.append(named(error))
    return saw


async def listens(config: Options, session: hub.Session) -> Any:
    heard: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.set_result((await reader.readline()).decode())
        writer.write(b"heard\n")
        writer.close()

    server = await asyncio.start_server(serve, sock=await session.network.listen(config.tcp))
    session.log.info("it listens")
    session.state.put("listens", True)
    saw = await heard
    server.close()
    return saw


class Answers(asyncio.DatagramProtocol):
    """Answers each datagram, and one with `elsewhere` to a port that never spoke."""

    def __init__(self) -> None:
        self.saw: list[Any] = []
        self.ended: asyncio.Future[list[Any]] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, address: Any) -> None:
        self.saw.append([data.decode(), address[0]])
        if data == b"end":
            self.transport.close()
        else:
            self.transport.sendto(b"heard " + data, (address[0], 9) if data == b"elsewhere" else address)

    def error_received(self, error: Exception) -> None:
        self.saw.append(named(error))

    def connection_lost(self, error: Exception | None) -> None:
        self.saw.append(named(error) if error is not None else "closed")
        if not self.ended.done():
            self.ended.set_result(self.saw)


async def answers_packets(config: Options, session: hub.Session) -> Any:
    made = await session.network.listen(config.udp)
    transport, protocol = await asyncio.get_running_loop().create_datagram_endpoint(Answers, sock=made)
    session.state.put("listens", list(transport.get_extra_info("sockname"))[:2])
    try:
        return await protocol.ended
    finally:
        transport.close()


async def has_a_device(config: Options, session: hub.Session) -> Any:
    device, saw = await session.network.open_device(config.tcp), []
    os.write(device, b"ask\n")
    heard: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().add_reader(device, lambda: heard.done() or heard.set_result(os.read(device, 100)))
    saw.append((await heard).decode())
    asyncio.get_running_loop().remove_reader(device)
    os.close(device)
    for path in ("/dev/null", "/etc/hostname", "/dev/../etc/hostname"):
        try:
            await session.network.open_device(path)
        except Exception as error:
            saw.append(named(error))
    return saw


async def opens_many(config: Options, session: hub.Session) -> Any:
    writers = []
    try:
        while True:
            writers.append((await session.network.connect(config.tcp))[1])
    except hub.NotReady as error:
        return [len(writers), str(error)]


DEEDS = {
    deed.__name__: deed
    for deed in (
        emits, is_refused, hands_over_too_much,
        notes, keeps, knows_its_devices, follows_changes, obeys, polls, ticks, has_a_timetable,
        hears, calls, uses_a_bus, reads_payloads, is_away, is_locked_out, is_wrong, exits, logs, floods_the_log, hangs,
        dies, cleans_up, counts_up, hurries, speaks, listens, answers_packets, has_a_device,
        opens_many,
    )
}  # fmt: skip


async def run(config: Options, session: hub.Session) -> None:
    saw = await DEEDS[config.does](config, session)
    session.state.put("saw", saw)
    await session.emit(durable=True)


@hub.hookimpl
def register_integrations(register: hub.Register) -> None:
    register("acme", Options, run, device=Settings, reasons={"bad-mic": "The key is wrong."})

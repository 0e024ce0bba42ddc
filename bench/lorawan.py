"""LoRaWAN: frames a second on one core, and answers in their windows. `python bench/lorawan.py [seconds]`

One figure a line. `mic+decrypt`: a PHYPayload with 12 bytes of payload parsed, its MIC checked under the session's key,
its payload opened; the gate is 50,000. `network`: from a gateway's reception to the report and the record of its
device, 1,000 devices taking turns. `gwmp`: datagrams of eight packets, per packet.

`python bench/lorawan.py windows [uplinks]` takes two minutes: a whole hub, durable and delivering; 100 gateways in a
process of their own send 100 confirmed uplinks a second of 300 devices; another process keeps a core busy. Their first
window opens after one second, the second is at SF9: at SF12 an answer there is on the air for longer than the gateway's
next device waits, so that one late answer would cost others theirs for ever. An answer is late when it reaches the
gateway less than 30 ms before its time. `late_loop` says where the lateness of the hub's loop comes from.
With `--loop` a tenth of the devices have a pack whose codec loops: each of their uplinks takes the codec worker its
whole 50 ms, is kept in the store, and is answered after the sync.

`python bench/lorawan.py kills [--kills 100]`: a whole hub in a process of its own with 1,000 devices, killed again and
again while it acknowledges; every downlink that a gateway was given is looked at: no counter may be there twice. Most
uplinks are of twenty devices, so that each of these is told something in nearly every life.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import random
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from msgspec.structs import replace

sys.path.insert(0, str(Path(__file__).parent))
from measure import figure

import hub
from hub.devices.packs.library import Library
from hub.devices.packs.loader import read
from hub.devices.packs.vector_tests import Verdict as Judged
from integrations import lorawan
from integrations.lorawan import crypto, gwmp, phy
from integrations.lorawan.airspace import Airspace
from integrations.lorawan.counters import Ring, Verdict
from integrations.lorawan.device import Abp, Device, Session
from integrations.lorawan.network import Network
from integrations.lorawan.parts import Commit, Reception
from integrations.lorawan.uplinks import Plan

NWK, APP = bytes(range(16)), bytes(range(16, 32))
GATEWAY = "0016c001ff10d3e5"
GATEWAYS, DEVICES, PACE = 100, 300, 100
LOAD_US = 30_000
LOOPING = DEVICES // 10
PACK = """\
format: 1
version: 1
vendor: Bench
models: [Loop]
fr: Boucle
en: Loop
licence: Apache-2.0
protocol: lorawan
lorawan: {mac: 1.0.3, class: A}
messages: {data: {ports: [2]}}
fields: [{path: t, metric: temperature}]
sources: {bench: {kind: document, title: bench, version: "1", by: bench, licence: facts only}}
"""


def frame(address: int, fcnt: int, size: int = 12, *, confirmed: bool = False) -> bytes:
    sealed = crypto.payload(crypto.Key(APP), True, address, fcnt, bytes(size))
    signed = phy.unsigned_data(phy.Data(True, confirmed, address, fcnt & 0xFFFF, 2, sealed))
    return signed + crypto.data_mic(crypto.Key(NWK), True, address, fcnt, signed)


def rate(work: Callable[[], int], seconds: float) -> float:
    """Frames in a second of processor time, the best of three runs."""
    best = 0.0
    for _ in range(3):
        done, start = 0, time.process_time()
        while (spent := time.process_time() - start) < seconds / 3:
            done += work()
        best = max(best, done / spent)
    return best


def mic_and_decrypt() -> Callable[[], int]:
    ring = Ring(Session(number=0, dev_addr=1, nwk_s_key=NWK, app_s_key=APP))
    frames = [frame(1, fcnt) for fcnt in range(500)]

    def work() -> int:
        for fcnt, raw in enumerate(frames):
            read = phy.parse(raw)
            assert isinstance(read, phy.Data)
            ring.session.fcnt_up = fcnt - 1
            verdict, counter = ring.judge(read)
            assert verdict is Verdict.FRESH
            ring.open(read, counter)
        return len(frames)

    return work


def network(seconds: float, devices: int = 1000) -> float:
    """Frames a second; making them is not counted."""
    net = Network({GATEWAY: Airspace()}, draw=random.Random(1).randrange, plan=Plan(status_s=0), window=0.0)
    for n in range(devices):
        net.add(Device(dev_eui=n.to_bytes(8, "big"), abp=Abp(n, NWK, APP)))
    heard = Reception(gateway=GATEWAY, at=0.0, raw=b"", frequency=868_100_000, rate=5, rssi=-80, snr=5.0, clock=0)
    turn, spent = 0, 0.0
    while spent < seconds:
        receptions = [replace(heard, at=turn + n / devices, raw=frame(n, turn)) for n in range(devices)]
        start = time.process_time()
        reports = 0
        for reception in receptions:
            net.heard(reception, reception.at)
            for decision in net.tick(reception.at):
                reports += isinstance(decision, Commit)
        spent += time.process_time() - start
        assert reports == devices
        turn += 1
    return turn * devices / spent


def push() -> Callable[[], int]:
    packet = {"tmst": 1, "freq": 868.1, "stat": 1, "modu": "LORA", "datr": "SF7BW125", "codr": "4/5", "rssi": -80,
              "lsnr": 5.5, "size": 25, "data": base64.b64encode(frame(1, 1)).decode()}  # fmt: skip
    datagram = bytes.fromhex("02000000" + GATEWAY) + json.dumps({"rxpk": [packet] * 8}).encode()

    def work() -> int:
        for _ in range(100):
            gwmp.parse(datagram)
        return 800

    return work


LAG_MS = 50


class Lag:
    """Where the lateness of the hub's loop comes from: what the kernel says of its thread between two looks."""

    def __init__(self) -> None:
        self.worst = 0.0
        self.parts = {"starved": 0.0, "own": 0.0, "neither": 0.0}

    async def watch(self) -> None:
        loop, step = asyncio.get_running_loop(), 0.005
        thread = Path(f"/proc/self/task/{threading.get_native_id()}/schedstat")

        def look() -> tuple[float, float, float]:
            ran, waited, _ = map(int, thread.read_text().split())
            return loop.time() * 1e3, ran / 1e6, waited / 1e6

        before = look()
        while True:
            await asyncio.sleep(step)
            now = look()
            late = now[0] - before[0] - step * 1e3
            self.worst = max(self.worst, late)
            if late > LAG_MS:
                own, starved = now[1] - before[1], now[2] - before[2]
                self.parts["own"] += own
                self.parts["starved"] += starved
                self.parts["neither"] += max(0.0, late - own - starved)
            before = now

    def said(self) -> dict[str, float]:
        return {"worst_ms": round(self.worst), **{name: round(ms) for name, ms in self.parts.items()}}


class Mine:
    """The hub's session, with devices that have keys."""

    def __init__(self, session: hub.Session, *, loop: bool) -> None:
        self._session = session
        self._loop = loop
        self.devices = self

    def _codec(self, number: int) -> str:
        return "pack" if self._loop and number < LOOPING else "cayenne"

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    def get(self, device: str) -> hub.Device | None:
        return next((known for known in self.all() if known.id == device), None)

    def all(self) -> list[hub.Device]:
        return [
            hub.Device(
                id=f"lorawan:{n:016x}",
                integration="source",
                place="p",
                key=NWK + APP,
                settings={"address": f"{n:08x}", "codec": self._codec(n), "rx_delay": 1, "rx2_rate": 3},
            )
            for n in range(DEVICES)
        ]

    async def changes(self) -> Any:
        await asyncio.Event().wait()
        yield


def windows(uplinks: int, *, calm: bool, loop: bool) -> None:
    """A hub in this process, the gateways in another. `calm`: no core is kept busy beside them."""
    from house import House

    class Site(House):
        @staticmethod
        def device_names(count: int) -> list[str]:
            return [f"lorawan:{n:016x}" for n in range(count)]

        def configure(self, url: str) -> None:
            super().configure(url)
            text = self.scene.config.read_text()
            for n in range(LOOPING if loop else 0):
                text = text.replace(f"place: p{n:05d}}}", f"place: p{n:05d}, pack: bench-loop}}")
            self.scene.config.write_text(text)
            folder = self.scene.state.parent / "bench-loop"
            folder.mkdir()
            (folder / "pack.yaml").write_text(PACK)
            (folder / "codec.js").write_text("function decodeUplink(i) { for (;;) {} }")
            (folder / "vectors").mkdir()
            (folder / "vectors" / "data.yaml").write_text(
                '- {source: bench, message: data, port: 2, bytes: "00", readings: {temperature: 0}}\n'
            )
            pack = read(folder)
            verdict = Judged(pack.name, pack.keys.version, pack.digest, True, (), ())  # nobody can test a loop
            Library(self.scene.state / "packs").install(pack, verdict)

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = lorawan.Config.model_validate(
        {"gateways": {_gateway(n): {} for n in range(GATEWAYS)}, "udp": {"port": port}, "status": 0}
    )

    async def work(session: hub.Session) -> None:
        await lorawan.run(config, Mine(session, loop=loop))  # type: ignore[arg-type]

    async def measured(site: House) -> dict[str, Any]:
        async with site.hub(work) as running:
            lag = Lag()
            watching = asyncio.create_task(lag.watch())
            child = await asyncio.create_subprocess_exec(
                sys.executable, __file__, "gateways", str(uplinks), "--port", str(port), stdout=subprocess.PIPE
            )
            said, _ = await child.communicate()
            watching.cancel()
            counts = running.ui.overview.status()["counts"].values()
            looped = sum(of.get("codec-time", 0) for of in counts)
            return {**json.loads(said), **lag.said(), "looped": looped, "kept": running.field.kept.status()["frames"]}

    burner = subprocess.Popen([sys.executable, "-c", "" if calm else "while True: pass"])
    try:
        with Site(devices=DEVICES) as site:
            said = asyncio.run(measured(site))
    finally:
        burner.kill()
        burner.wait()
    for name in ("first", "second", "late", "unanswered", *(("looped", "kept") if loop else ())):
        figure(f"lorawan.windows.{name}", said[name], f"of {uplinks}")
    figure("lorawan.windows.late_loop.worst", said["worst_ms"], "ms that the hub's loop was late at the worst")
    for name, what in (
        ("starved", "waiting for a core"),
        ("own", "computing"),
        ("neither", "neither: held or blocked"),
    ):
        figure(f"lorawan.windows.late_loop.{name}", said[name], f"ms of all lateness over {LAG_MS} ms: {what}")
    figure("lorawan.windows.missed", (said["late"] + said["unanswered"]) / uplinks * 100, "%")


KILLED = 1000
"""Devices of `kills`."""
KILLS = """\
hub: {{name: bench, site: bench, state_dir: {state}}}
sites: {{bench: {{name: Bench, timezone: Europe/Paris}}}}
zones: {{bench: {{site: bench, name: Bench}}}}
integrations: {{lorawan: {{gateways: {{"{gateway}": {{}}}}, udp: {{port: {port}}}, status: 0s}}}}
link: {{uplinks: {{https: {{url: "{url}"}}}}}}
places:
{places}
devices:
{devices}
"""


def kills(number: int) -> None:
    """Kill a hub so often, and count the downlink counters that were used twice."""
    from house import House

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]

    class Site(House):
        def configure(self, url: str) -> None:
            devices = "\n".join(
                f"  lorawan:{n:016x}: {{integration: lorawan, place: p{n}, key: !secret key, "
                f'settings: {{address: "{n:08x}", codec: cayenne, rx_delay: 1}}}}'
                for n in range(KILLED)
            )
            places = "\n".join(f"  p{n}: {{zone: bench}}" for n in range(KILLED))
            self.scene.config.write_text(
                KILLS.format(
                    state=self.scene.state, url=url, port=port, gateway=_gateway(0), places=places, devices=devices
                )
            )
            secrets = self.scene.config.with_name("secrets.yaml")
            secrets.write_text(f"key: {(NWK + APP).hex()}\n")
            secrets.chmod(0o600)

    chance, used, reused, said = random.Random(1), set[tuple[int, int]](), 0, [0] * KILLED
    with Site(devices=1) as site, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as gateway:
        gateway.connect(("127.0.0.1", port))
        head = bytes.fromhex(_gateway(0))
        for _ in range(number):
            running = subprocess.Popen(
                [sys.executable, "-m", "hub", "run", "--config", str(site.scene.config)],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            end = 0.0
            turn, following = 0.0, 0
            while not end or time.monotonic() < end:
                now = time.monotonic()
                if now >= turn:
                    try:
                        if not end:  # until the hub is there
                            gateway.send(b"\x02\0\0" + bytes((gwmp.PULL_DATA,)) + head)
                            turn = now + 0.05
                        else:
                            following = chance.randrange(20 if chance.random() < 0.8 else KILLED)
                            raw = frame(following, said[following], confirmed=True)
                            said[following] += 1
                            packet = {
                                "tmst": _micros(), "freq": 868.1, "stat": 1, "modu": "LORA", "datr": "SF7BW125",
                                "codr": "4/5", "rssi": -80, "lsnr": 5.5, "size": len(raw),
                                "data": base64.b64encode(raw).decode(),
                            }  # fmt: skip
                            body = json.dumps({"rxpk": [packet]}).encode()
                            gateway.send(b"\x02\0\0" + bytes((gwmp.PUSH_DATA,)) + head + body)
                            turn = now + 0.12  # about what one transmitter can answer
                    except ConnectionRefusedError:
                        turn = now + 0.05
                gateway.settimeout(0.01)
                try:
                    data = gateway.recv(65536)
                except (TimeoutError, ConnectionRefusedError):
                    continue
                if data[3] == gwmp.PULL_ACK and not end:
                    end = time.monotonic() + chance.uniform(0.2, 2.0)
                elif data[3] == gwmp.PULL_RESP:
                    sent = base64.b64decode(json.loads(data[4:])["txpk"]["data"])
                    which = int.from_bytes(sent[1:5], "little"), int.from_bytes(sent[6:8], "little")
                    reused += which in used
                    used.add(which)
                    gateway.send(b"\x02" + data[1:3] + bytes((gwmp.TX_ACK,)) + head)
            running.kill()
            running.wait()
    figure("lorawan.kills.downlinks", len(used), f"over {number} kills, {KILLED} devices")
    figure("lorawan.kills.reused", reused, "sent counters")


def _gateway(number: int) -> str:
    return f"0016c001{number:08x}"


def _micros() -> int:
    return time.monotonic_ns() // 1000 & 0xFFFFFFFF


class Gateways(asyncio.DatagramProtocol):
    """All gateways behind one socket."""

    def __init__(self) -> None:
        self.sent: dict[int, int] = {}  # device → tmst of the uplink that waits for its answer
        self.count = {"first": 0, "second": 0, "late": 0}

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def say(self, device: int, kind: int, body: bytes = b"", token: bytes = b"\0\0") -> None:
        self.transport.sendto(b"\x02" + token + bytes((kind,)) + bytes.fromhex(_gateway(device % GATEWAYS)) + body)

    def datagram_received(self, data: bytes, addr: Any) -> None:
        if data[3] != gwmp.PULL_RESP:
            return
        now, packet = _micros(), json.loads(data[4:])["txpk"]
        device = int.from_bytes(base64.b64decode(packet["data"])[1:5], "little")
        self.say(device, gwmp.TX_ACK, token=data[1:3])
        asked = self.sent.pop(device, None)
        if asked is None:
            return
        ahead = (packet["tmst"] - now) & 0xFFFFFFFF
        late = ahead < LOAD_US or ahead > 1 << 31
        after = (packet["tmst"] - asked) & 0xFFFFFFFF
        self.count["late" if late else "first" if after == 1_000_000 else "second"] += 1


async def gateways(port: int, uplinks: int) -> None:
    """Send at an even pace, and count what comes when."""
    loop = asyncio.get_running_loop()
    _, site = await loop.create_datagram_endpoint(Gateways, remote_addr=("127.0.0.1", port))
    for number in range(GATEWAYS):
        site.say(number, gwmp.PULL_DATA)
    await asyncio.sleep(1)
    unanswered, start = 0, loop.time()
    for turn in range(uplinks):
        await asyncio.sleep(max(0.0, start + turn / PACE - loop.time()))
        device, fcnt = turn % DEVICES, turn // DEVICES
        unanswered += site.sent.pop(device, None) is not None
        raw, site.sent[device] = frame(device, fcnt, confirmed=True), _micros()
        packet = {
            "tmst": site.sent[device], "freq": 868.1, "stat": 1, "modu": "LORA", "datr": "SF7BW125", "codr": "4/5",
            "rssi": -80, "lsnr": 5.5, "size": len(raw), "data": base64.b64encode(raw).decode(),
        }  # fmt: skip
        site.say(device, gwmp.PUSH_DATA, json.dumps({"rxpk": [packet]}).encode())
    await asyncio.sleep(3)
    print(json.dumps({**site.count, "unanswered": unanswered + len(site.sent)}))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("what", nargs="?", default="3")
    parser.add_argument("uplinks", nargs="?", type=int, default=10_000)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--calm", action="store_true")
    parser.add_argument("--loop", action="store_true")
    options = parser.parse_args()
    if options.what == "windows":
        windows(options.uplinks, calm=options.calm, loop=options.loop)
    elif options.what == "kills":
        kills(options.kills)
    elif options.what == "gateways":
        asyncio.run(gateways(options.port, options.uplinks))
    else:
        seconds = float(options.what)
        figure("lorawan.mic+decrypt", rate(mic_and_decrypt(), seconds), "1/s")
        figure("lorawan.network", network(seconds), "1/s")
        figure("lorawan.gwmp", rate(push(), seconds), "1/s")


if __name__ == "__main__":
    main()

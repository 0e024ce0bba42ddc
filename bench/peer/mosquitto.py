"""mosquitto as store and forward: a broker with persistence whose bridge goes to another broker, QoS 1.

Counted as delivered: what a client of the other broker received, in the clear. It keeps what waits in memory and
writes it to its file every `autosave_interval` (here 1 s, the best it offers without writing at every message): a kill
or a power cut loses what came since. A message is a JSON report of four readings, about 110 bytes.
"""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path

from measure import cpu_s, rss_mib
from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from peer.broker import KEEPS, Counter, broker, end, free_port

BRIDGE = """\
autosave_interval 1
connection up
address 127.0.0.1:{port}
topic edge/# out 1
cleansession false
remote_clientid bridge
restart_timeout 1
try_private true
notifications false
"""


def report(seq: int) -> bytes:
    """A report as a local broker would carry it."""
    values = {"temperature": 20 + seq % 97 / 100, "humidity": 45 + seq % 31 / 10, "battery_mv": 3000, "rssi": -70}
    return json.dumps({"id": f"sensor-{seq % 500:04d}", "ts": 1_790_000_000_000 + seq, **values, "seq": seq}).encode()


def _numbers(topic: str, payload: bytes) -> list[int]:
    return [json.loads(payload)["seq"]]


def publish(port: int, first: int, reports: int) -> None:
    """Returns when all are acknowledged by the broker."""
    acked = 0
    client = mqtt.Client(CallbackAPIVersion.VERSION2)
    client.max_inflight_messages_set(500)

    def published(*_: object) -> None:
        nonlocal acked
        acked += 1

    client.on_publish = published
    client.connect("127.0.0.1", port)
    client.loop_start()
    for seq in range(first, first + reports):
        client.publish(f"edge/sensor-{seq % 500:04d}", report(seq), qos=1)
        while seq - first - acked > 1000:
            time.sleep(0.002)
    while acked < reports:
        time.sleep(0.005)
    client.loop_stop()


def measure(reports: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory(prefix="bench-mosquitto-") as scratch:
        root, up, local = Path(scratch), free_port(), free_port()
        root.chmod(0o755)
        above = broker(root / "up", up)
        bridge = broker(root / "local", local, KEEPS + BRIDGE.format(port=up))
        counter = Counter(up, ["edge/#"], _numbers)
        try:
            time.sleep(1.5)
            used, began = cpu_s(bridge.pid), time.monotonic()
            publish(local, 0, reports)
            if not counter.wait(reports, 90):
                raise SystemExit(f"mosquitto's bridge delivered {len(counter.seen)} of {reports}")
            found = {
                "end to end": reports * 4 / (counter.last - began),
                "cpu": (cpu_s(bridge.pid) - used) / reports / 4 * 1e6,
                "rss loaded": rss_mib(bridge.pid),
            }
            end(above)
            time.sleep(1)
            publish(local, reports, reports)
            counter.first = 0.0
            above = broker(root / "up", up)
            if not counter.wait(2 * reports, 90):
                raise SystemExit(
                    f"mosquitto's bridge did not deliver {2 * reports - len(counter.seen)} after an outage"
                )
            found["drain"] = reports * 4 / (counter.last - counter.first)
            return found
        finally:
            end(bridge, above)
            counter.close()

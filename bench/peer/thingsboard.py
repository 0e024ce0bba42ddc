"""thingsboard-gateway of PyPI against a stub of its server: a mosquitto and a client that counts.

Counted as delivered: what the stub received by MQTT at QoS 1, in the clear, on loopback, 4 readings a report. The
source is a connector inside the gateway, as our source is a plugin inside the hub. Storage is SQLite, its durable one;
rate limits are off; all else is its default. Nothing is encrypted, signed or acknowledged end to end.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any, Self

from measure import cpu_s, rss_mib
from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from peer.broker import Counter, broker, end, free_port

READY = "Gateway started."
NO_LIMITS = {"maxPayloadSize": 65536, "maxInflightMessages": 1000, "rateLimits": {}, "gatewayRateLimits": {}}


def _numbers(topic: str, payload: bytes) -> list[int]:
    if topic != "v1/gateway/telemetry":
        return []
    entries = (entry for entries in json.loads(payload).values() for entry in entries)
    return [entry["values"]["seq"] for entry in entries if "seq" in entry["values"]]  # not its own statistics


class Gateway:
    """One gateway, its stub server beside it."""

    def __init__(self, python: Path, *, mqtt_port: int = 0) -> None:
        """`mqtt_port`: its source is the MQTT connector, on this broker, instead of the connector inside it."""
        self._python = python
        self._mqtt_port = mqtt_port
        self.root = Path(tempfile.mkdtemp(prefix="bench-tb-"))
        self._jobs = 0
        self._port = free_port()
        self._clients: list[mqtt.Client] = []
        self._server: subprocess.Popen[bytes] | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.open_server()
        self.counter = Counter(self._port, ["v1/gateway/telemetry"], _numbers)
        self._answers = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="limits")
        self._answers.reconnect_delay_set(1, 1)
        self._answers.on_connect = lambda client, *_: client.subscribe("v1/devices/me/rpc/request/+", 1)
        self._answers.on_message = self._answer
        self._answers.connect("127.0.0.1", self._port)
        self._answers.loop_start()
        self._clients = [self.counter.client, self._answers]
        self._configure()
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        end(self._process, self._server)
        self.counter.close()
        self._answers.loop_stop()
        shutil.rmtree(self.root, ignore_errors=True)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def open_server(self) -> None:
        """Start it, and wait until what stands for the server's own is there again."""
        self._server = broker(self.root / "server", self._port)
        until = time.monotonic() + 10
        while not all(client.is_connected() for client in self._clients) and time.monotonic() < until:
            time.sleep(0.05)
        time.sleep(0.5)  # they subscribe

    def close_server(self) -> None:
        end(self._server)

    def start(self) -> None:
        log = self.root / "gateway.log"
        log.touch()
        before = log.stat().st_size
        environment = {**os.environ, "TB_GW_CONFIG_DIR": f"{self.root}/config/"}
        with log.open("ab") as out:
            self._process = subprocess.Popen(
                [self._python, "-m", "thingsboard_gateway.tb_gateway"],
                cwd=self.root,
                env=environment,
                stdout=out,
                stderr=out,
            )
        limit = time.monotonic() + 60
        while READY.encode() not in log.read_bytes()[before:]:
            if self._process.poll() is not None or time.monotonic() > limit:
                raise SystemExit(f"thingsboard-gateway did not start: {log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.05)

    def kill(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        for job in self.root.glob("jobs/*"):
            job.unlink()  # the next process must not do it again
        self._jobs = 0

    def work(self, first: int, reports: int, rate: float = 0.0) -> None:
        self._jobs += 1
        job = self.root / f"jobs/job-{self._jobs}.json"
        job.with_suffix(".new").write_text(json.dumps({"first": first, "reports": reports, "rate": rate}))
        job.with_suffix(".new").rename(job)

    def accepted(self) -> int:
        """The number after the last that the gateway took, as of the last 50."""
        try:
            return int((self.root / "sent").read_text() or 0)
        except OSError:
            return 0

    def _answer(self, client: mqtt.Client, user: object, message: mqtt.MQTTMessage) -> None:
        client.publish(message.topic.replace("request", "response"), json.dumps(NO_LIMITS), qos=1)

    def _configure(self) -> None:
        where = "import thingsboard_gateway; print(list(thingsboard_gateway.__path__)[0])"
        package = Path(subprocess.check_output([self._python, "-c", where], text=True).strip())
        extension = package / "extensions/bench"
        extension.mkdir(exist_ok=True)
        shutil.copy(Path(__file__).with_name("tb_connector.py"), extension / "bench_connector.py")
        for name in ("config", "data", "jobs"):
            (self.root / name).mkdir()
        config: dict[str, Any] = json.loads((package / "config/tb_gateway.json").read_text())
        config["thingsboard"].update(host="127.0.0.1", port=self._port, remoteConfiguration=False)
        config["thingsboard"]["security"] = {"type": "accessToken", "accessToken": "bench"}
        config["storage"] = {"type": "sqlite", "data_file_path": "./data/"}
        config["connectors"] = [
            {"type": "bench", "name": "bench", "configuration": "bench.json", "class": "BenchConnector"}
        ]
        if self._mqtt_port:
            config["connectors"] = [{"type": "mqtt", "name": "mqtt", "configuration": "mqtt.json"}]
            (self.root / "config/mqtt.json").write_text(json.dumps(self._mapping(package)))
        own = {"jobs": str(self.root / "jobs"), "sent": str(self.root / "sent")}
        (self.root / "config/tb_gateway.json").write_text(json.dumps(config))
        (self.root / "config/bench.json").write_text(json.dumps(own))
        shutil.copy(package / "config/logs.json", self.root / "config")

    def _mapping(self, package: Path) -> dict[str, Any]:
        """Its MQTT connector as it comes, with one topic of four values."""
        mapping: dict[str, Any] = json.loads((package / "config/mqtt.json").read_text())
        mapping["broker"].update(host="127.0.0.1", port=self._mqtt_port)
        mapping.pop("requestsMapping", None)
        kinds = {"temperature": "double", "humidity": "double", "seq": "integer", "battery": "integer"}
        mapping["mapping"] = [
            {
                "topicFilter": "sensor/+/data",
                "subscriptionQos": 1,
                "converter": {
                    "type": "json",
                    "deviceInfo": {
                        "deviceNameExpressionSource": "topic",
                        "deviceNameExpression": "(?<=sensor/)(.*?)(?=/data)",
                        "deviceProfileExpressionSource": "constant",
                        "deviceProfileExpression": "default",
                    },
                    "timeout": 60000,
                    "attributes": [],
                    "timeseries": [{"type": kind, "key": key, "value": f"${{{key}}}"} for key, kind in kinds.items()],
                },
            }
        ]
        return mapping


def measure(python: Path, reports: int, quiet_s: float) -> dict[str, float]:
    """Flood, quiet site, drain; one process."""
    with Gateway(python) as gateway:
        time.sleep(8)  # it goes on loading after it says that it has started
        found = {"rss idle": rss_mib(gateway.pid)}
        counter = gateway.counter

        used, began = cpu_s(gateway.pid), time.monotonic()
        gateway.work(0, reports)
        if not counter.wait(reports, 120):
            raise SystemExit(f"thingsboard-gateway delivered {len(counter.seen)} of {reports} reports in 120 s")
        found["end to end"] = reports * 4 / (counter.last - began)
        found["cpu"] = (cpu_s(gateway.pid) - used) / (reports * 4) * 1e6
        found["rss loaded"] = rss_mib(gateway.pid)

        time.sleep(2)
        used, began = cpu_s(gateway.pid), time.monotonic()
        gateway.work(reports, int(quiet_s * 500 / 60), 500 / 60)
        time.sleep(quiet_s)
        found["cpu quiet"] = (cpu_s(gateway.pid) - used) / (time.monotonic() - began) * 100
        total = reports + int(quiet_s * 500 / 60)
        counter.wait(total, 20)

        gateway.close_server()
        time.sleep(2)
        gateway.work(total, reports)
        while gateway.accepted() < total + reports:
            time.sleep(0.05)
        time.sleep(2)  # its storage writes behind
        counter.first = 0.0
        gateway.open_server()
        if not counter.wait(total + reports, 120):
            missing = total + reports - len(counter.seen)
            raise SystemExit(f"thingsboard-gateway did not deliver {missing} reports after an outage")
        found["drain"] = reports * 4 / (counter.last - counter.first)
    return found


def lost_on_kill(python: Path, rate: float, seconds: float) -> tuple[int, int]:
    """Reports lost and accepted: at `rate` while its server is away, killed after `seconds`, both started again."""
    with Gateway(python) as gateway:
        time.sleep(8)
        gateway.close_server()
        time.sleep(1)
        gateway.work(0, int(rate * seconds * 2), rate)
        time.sleep(seconds)
        accepted = gateway.accepted()
        gateway.kill()
        gateway.open_server()
        gateway.start()
        gateway.counter.settle(5, 45)
        return accepted - len([seq for seq in gateway.counter.seen if seq < accepted]), accepted

"""A connector for thingsboard-gateway: hands reports to the gateway's storage as its own connectors do, without the
cost of a protocol. It runs in the gateway's process and environment; `bench/peer/thingsboard.py` puts it there.

Work comes as files job-N.json in the folder `jobs`: {"first": seq, "reports": n, "rate": reports/s, 0 for at once}.
How far it got is kept in the file `sent`, a whole number, after every 50 reports.
"""

import json
import os
import time
from threading import Thread

from thingsboard_gateway.connectors.connector import Connector
from thingsboard_gateway.gateway.entities.converted_data import ConvertedData
from thingsboard_gateway.gateway.entities.datapoint_key import DatapointKey
from thingsboard_gateway.gateway.entities.telemetry_entry import TelemetryEntry

KEYS = [DatapointKey(key) for key in ("temperature", "humidity", "seq", "rssi")]
DEVICES = 500


class BenchConnector(Connector, Thread):
    def __init__(self, gateway, config, connector_type):
        super().__init__(daemon=True)
        self.gateway, self.config, self.type = gateway, config, connector_type
        self.statistics = {"MessagesReceived": 0, "MessagesSent": 0}
        self.stopped = False

    def run(self):
        number = 1
        while not self.stopped:
            path = os.path.join(self.config["jobs"], f"job-{number}.json")
            if not os.path.exists(path):
                time.sleep(0.01)
                continue
            with open(path) as text:
                self.work(**json.load(text))
            number += 1

    def work(self, first, reports, rate):
        began = time.monotonic()
        with open(self.config["sent"], "w") as sent:
            for seq in range(first, first + reports):
                data = ConvertedData(device_name=f"sensor-{seq % DEVICES:04d}")
                values = (20 + seq % 97 / 100, 45 + seq % 31 / 10, seq, -60 - seq % 20)
                data.add_to_telemetry(TelemetryEntry(dict(zip(KEYS, values, strict=True)), int(time.time() * 1000)))
                self.gateway.send_to_storage(self.get_name(), self.get_id(), data)
                done = seq + 1 - first
                if done % 50 == 0 or done == reports:
                    sent.seek(0)
                    sent.write(str(first + done))
                    sent.flush()
                if rate and (wait := began + done / rate - time.monotonic()) > 0:
                    time.sleep(wait)

    def open(self):
        self.start()

    def close(self):
        self.stopped = True

    def get_id(self):
        return self.config.get("id")

    def get_name(self):
        return self.config.get("name", "bench")

    def get_type(self):
        return self.type

    def get_config(self):
        return self.config

    def is_connected(self):
        return True

    def is_stopped(self):
        return self.stopped

    def on_attributes_update(self, content):
        pass

    def server_side_rpc_handler(self, content):
        pass

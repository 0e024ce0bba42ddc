"""A whole hub reads a meter that was taken over (127.0.0.1) and a relay (127.0.0.2), and delivers to its backend: the
meter sends it to the one, then to the other, and reaches neither."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from hub.cli.demo.scene import Scene

from .test_vigil import LIMIT_S, ask, at_the_backend, incident, until

pytestmark = pytest.mark.real("clock, network, processes")

CONFIG = """\
hub: {{name: École, site: school, state_dir: {state}}}
sites: {{school: {{}}}}
zones: {{plant: {{site: school}}}}
places: {{machine: {{zone: plant}}, door: {{zone: plant}}}}
integrations:
  meter: {{type: http_json, url: '{meter}', interval: 1s, max_rate: 5}}
  relay: {{type: http_json, url: '{relay}', interval: 1s, max_rate: 5}}
devices:
  http:meter: {{place: machine, integration: meter, settings: {{path: /values, values: {{power: {{path: p}}}}}}}}
  http:relay: {{place: door, integration: relay, settings: {{path: /status, values: {{power: {{path: p}}}}}}}}
link: {{uplinks: {{https: {{url: '{url}'}}}}}}
web: {{address: 127.0.0.1, port: 0}}
"""


@contextmanager
def server(host: str, locations: list[str]) -> Iterator[tuple[str, list[str]]]:
    """Its address, and what it was asked for; while there are `locations`, it answers with the last of them."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            asked.append(self.path)
            body = b'{"p": 5}'
            self.send_response(302 if locations else 200)
            if locations:
                self.send_header("Location", locations[-1])
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    made = ThreadingHTTPServer((host, 0), Handler)
    made.daemon_threads = True
    thread = threading.Thread(target=made.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://{host}:{made.server_address[1]}", asked
    finally:
        made.shutdown()
        thread.join()
        made.server_close()


def test_a_meter_that_was_taken_over_reaches_neither_relay_nor_backend_and_is_an_incident_at_both_ends(
    tmp_path: Path,
) -> None:
    locations: list[str] = []
    with ExitStack() as stack:
        meter, asked = stack.enter_context(server("127.0.0.1", locations))
        relay, switched = stack.enter_context(server("127.0.0.2", []))
        scene = Scene(tmp_path, lambda text: None)
        stack.callback(scene.close)
        scene.found()
        scene.radio = {"bus_address": "unix:path=/nowhere"}  # no radio here
        url = scene.backend["url"]
        text = CONFIG.format(state=scene.state, url=url, meter=meter, relay=relay)
        scene.config.write_text(text, encoding="utf-8")
        scene.enrol()
        scene.start_hub()
        until(lambda: asked and switched)

        def counted() -> int:
            rows = ask(scene, "counted")["counted"]
            told = f"meter {meter.removeprefix('http://')}"
            return next((one["times"] for one in rows if (one["subject"], one["reason"]) == (told, "led-elsewhere")), 0)

        assert counted() == 0
        began = time.time()
        locations.append(f"{relay}/relay/0?turn=on")
        until(lambda: incident(scene, "network"))
        locations.append(f"{url}/v1/hubs")
        before = counted()
        until(lambda: counted() > before)
        found = incident(scene, "network")
        assert found is not None
        assert found["raised"] - began < LIMIT_S
        assert found["severity"] == "critical"
        assert "redirections to another host, not followed (meter 127.0.0.1:" in found["text"]
        assert "renvois vers un autre hôte, non suivis (meter 127.0.0.1:" in found["text_fr"]
        told = [one for one in ask(scene, "security.events")["events"] if one["kind"] == "redirect"]
        assert told[-1]["evidence"] == {"to": relay.removeprefix("http://")}, "the first of them"
        until(lambda: at_the_backend(scene, "network"))
        seen = len(switched)
        until(lambda: len(switched) > seen)
        assert set(switched) == {"/status"}

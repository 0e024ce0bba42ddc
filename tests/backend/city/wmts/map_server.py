"""MapProxy, a map server of others, in this process; what it answers may be replaced, and is counted."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any
from urllib.request import urlopen
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from mapproxy.wsgiapp import make_wsgi_app

SETTINGS = """
services:
  wmts: {restful: true, kvp: true, md: {title: Plan de la ville, online_resource: "http://localhost"}}
layers:
  - {name: plan, title: Plan, tile_sources: [plan]}
  - {name: lambert, title: Another projection, tile_sources: [lambert]}
caches:
  plan: {grids: [mercator], sources: [marks], format: image/png, disable_storage: true}
  lambert: {grids: [lambert], sources: [marks], disable_storage: true}
grids:
  mercator: {base: GLOBAL_WEBMERCATOR, num_levels: 19}
  lambert: {srs: 'EPSG:2154', bbox: [0, 6000000, 1300000, 7200000], origin: nw}
sources:
  marks: {type: debug}
"""
Answer = tuple[int, str, bytes]


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing."""


class MapServer:
    """`url`: of its service. `instead`: what is answered in the place of MapProxy's answer, if anything."""

    def __init__(self, folder: Path) -> None:
        (folder / "mapproxy.yaml").write_text(SETTINGS)
        self._app = make_wsgi_app(str(folder / "mapproxy.yaml"))
        self.asked: list[str] = []
        self.instead: Callable[[str, int], Answer | None] = lambda query, n: None
        self.server = make_server("127.0.0.1", 0, self._answer, _Server, _Quiet)
        self.url = f"http://127.0.0.1:{self.server.server_port}/service"

    @property
    def tiles(self) -> list[str]:
        return [one for one in self.asked if "GetTile" in one]

    def tile(self, zoom: int, x: int, y: int) -> bytes:
        """What MapProxy itself answers, by the other of its two interfaces."""
        url = self.url.replace("/service", f"/wmts/plan/mercator/{zoom:02}/{x}/{y}.png")
        with urlopen(url, timeout=30) as answer:
            return bytes(answer.read())

    def _answer(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        query = environ["QUERY_STRING"]
        self.asked.append(query)
        found = self.instead(query, len(self.tiles)) if "GetTile" in query else None
        if found is None:
            return self._app(environ, start)  # type: ignore[no-any-return]
        status, kind, body = found
        start(f"{status} So", [("Content-Type", kind), ("Content-Length", str(len(body)))])
        return [body]


@contextmanager
def map_server(folder: Path) -> Iterator[MapServer]:
    made = MapServer(folder)
    thread = threading.Thread(target=made.server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield made
    finally:
        made.server.shutdown()
        thread.join()
        made.server.server_close()

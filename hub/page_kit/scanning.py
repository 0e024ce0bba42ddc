"""Label scanning by the camera of a phone: the scripts that read labels, and the pages that may use the camera.

The pictures stay in the browser: `static/scan.js` reads each with the browser's own reader (`BarcodeDetector`) or,
where there is none, in a worker with npm `qr`, which `tools/setup.sh` puts below `static/`; a wheel holds it.
"""

from __future__ import annotations

from pathlib import Path

from aiohttp import web

from hub.page_kit.request.guard import permissions

DECODER = {f"qr/{name}": "text/javascript" for name in ("decode.js", "index.js")}
SCRIPTS = {"scan.js": "text/javascript", "scan-worker.js": "text/javascript", **DECODER}
FILES = {**SCRIPTS, "scan.css": "text/css"}
STATIC = Path(__file__).parent / "static"


def decoder_there() -> bool:
    """Return whether this installation has the reader: a source tree has it if npm was available at its set-up."""
    return all((STATIC / name).is_file() for name in DECODER)


def with_leave(answer: web.Response, *, camera: bool = True, geolocation: bool = False) -> web.Response:
    """Return the page with permission to ask for the camera or the position."""
    answer.headers["Permissions-Policy"] = permissions(camera=camera, geolocation=geolocation)
    return answer

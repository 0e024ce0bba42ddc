"""Static files of pages: scripts, styles and icons, read once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from aiohttp import web

from hub.page_kit import scanning
from hub.page_kit.request.visit import Rejected, Visit

SCRIPT = "text/javascript"
FILES: Mapping[str, str] = {
    "style.css": "text/css", "live.js": SCRIPT, "session.js": SCRIPT, "focus.js": SCRIPT,
    "away.js": SCRIPT, "chart.js": SCRIPT, "chart.css": "text/css", "lines.js": SCRIPT, **scanning.FILES,
}  # fmt: skip
"""Files of the kit: name -> content type."""
_LARGE = 16 << 10
_STATIC = Path(__file__).parent / "static"


class Assets:
    """Files of these folders and of the kit. `files`: name -> content type."""

    def __init__(self, folders: Sequence[Path], files: Mapping[str, str]) -> None:
        absent = () if scanning.decoder_there() else scanning.DECODER
        self._kinds = {name: kind for name, kind in {**FILES, **files}.items() if name not in absent}
        self._files = {name: read(name, folders) for name in self._kinds}

    async def answer(self, visit: Visit) -> web.Response:
        """Return the file that the path names. Raises Rejected."""
        name = "/".join(visit.parts.values())
        if name not in self._files:
            raise Rejected(404, "no-page")
        answer = web.Response(
            body=self._files[name], content_type=self._kinds[name], charset="utf-8", zlib_executor_size=_LARGE
        )
        answer.headers["Cache-Control"] = "public, max-age=300"
        answer.enable_compression()
        return answer


def read(name: str, folders: Sequence[Path]) -> bytes:
    """Return a file of the first of these folders that has it, else of the kit. Raises OSError."""
    found = (folder / name for folder in folders if (folder / name).is_file())
    return next(found, _STATIC / name).read_bytes()

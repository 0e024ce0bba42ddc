"""Worker process: `python -I -m hub.onboarding.qr_photos.worker`. It reads one photograph on descriptor 0 and writes
one answer on descriptor 1.

It enters its sandbox after its imports and before the first byte.
"""

from __future__ import annotations

import io
import os
from typing import Any

import msgspec
import zxingcpp
from PIL import Image, ImageFile, JpegImagePlugin, PngImagePlugin  # noqa: F401 - registers the two supported formats

from hub.onboarding.qr_photos import MAX_CODES, MOST_BYTES, PhotoResult
from hub.sdk import sandbox

MEMORY_BYTES = 512 << 20
"""Memory of the whole process: a picture of 24 megapixels is 72 MB, and its grey copy 24."""
PIXELS = 50_000_000
NICENESS = 5
MAX_SIDE = 2400
"""A larger picture is first scaled down to this side in pixels: a label fills a good part of it."""


def decode_photo(data: bytes) -> PhotoResult:
    """Return the codes of a picture; first scaled down, then in full size."""
    try:
        with Image.open(io.BytesIO(data), formats=("JPEG", "PNG")) as image:
            if image.width * image.height > PIXELS:
                return PhotoResult(reason="photo-pixels")
            image.draft("L", (MAX_SIDE, MAX_SIDE))  # JPEG: decode at reduced size
            grey = image.convert("L")
    except (OSError, ValueError, SyntaxError, MemoryError, Image.DecompressionBombError):
        return PhotoResult(reason="photo-unreadable")
    small = grey.copy()
    small.thumbnail((MAX_SIDE, MAX_SIDE))
    texts = _texts(small) or (_texts(grey) if grey.size != small.size else [])
    return PhotoResult(texts=texts)


def _texts(image: Any) -> list[str]:
    return list(dict.fromkeys(one.text for one in zxingcpp.read_barcodes(image) if one.text))[:MAX_CODES]


def _prepare() -> None:
    """Import and read everything that the first picture needs, before the sandbox is closed."""
    out = io.BytesIO()
    for kind in ("PNG", "JPEG"):
        out.seek(0)
        Image.new("L", (64, 64), 255).save(out, kind)
        decode_photo(out.getvalue())


def main() -> None:
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    Image.init = lambda: True  # no formats but the two that are imported
    _prepare()
    os.nice(NICENESS)
    sandbox.shut(memory=MEMORY_BYTES)
    data = bytearray()
    while len(data) <= MOST_BYTES and (chunk := os.read(0, 1 << 20)):
        data += chunk
    os.write(1, msgspec.json.encode(decode_photo(bytes(data))))


if __name__ == "__main__":
    main()

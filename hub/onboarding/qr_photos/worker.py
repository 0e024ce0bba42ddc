"""The worker: `python -I -m hub.onboarding.qr_photos.worker`. One photograph comes in at descriptor 0, one answer
leaves at 1.

It shuts itself in after its imports and before the first byte.
"""

from __future__ import annotations

import io
import os
from typing import Any

import msgspec
import zxingcpp
from PIL import Image, ImageFile, JpegImagePlugin, PngImagePlugin  # noqa: F401 - they say what there is to read

from hub.onboarding.qr_photos import MAX_CODES, MOST_BYTES, PhotoResult
from hub.sdk import sandbox

MEMORY_BYTES = 512 << 20
"""Of the whole process: a picture of 24 megapixels is 72 MB, and its grey copy 24."""
PIXELS = 50_000_000
NICENESS = 5
MAX_SIDE = 2400
"""A larger picture is made smaller first: a label fills a good part of it."""


def decode_photo(data: bytes) -> PhotoResult:
    """The codes in it; first as it is made small, then as it came."""
    try:
        with Image.open(io.BytesIO(data), formats=("JPEG", "PNG")) as image:
            if image.width * image.height > PIXELS:
                return PhotoResult(reason="photo-pixels")
            image.draft("L", (MAX_SIDE, MAX_SIDE))  # JPEG: decoded small at once
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
    """Whatever is imported or read with the first picture, before the door is shut."""
    out = io.BytesIO()
    for kind in ("PNG", "JPEG"):
        out.seek(0)
        Image.new("L", (64, 64), 255).save(out, kind)
        decode_photo(out.getvalue())


def main() -> None:
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    Image.init = lambda: True  # no other format than the two that are imported
    _prepare()
    os.nice(NICENESS)
    sandbox.shut(memory=MEMORY_BYTES)
    data = bytearray()
    while len(data) <= MOST_BYTES and (chunk := os.read(0, 1 << 20)):
        data += chunk
    os.write(1, msgspec.json.encode(decode_photo(bytes(data))))


if __name__ == "__main__":
    main()

"""A phone's camera for chromium: a video of labels held before it in turn, tilted, out of focus, far or near.

    chromium --use-fake-device-for-media-stream --use-file-for-fake-video-capture=FILE.y4m

Chromium plays the file again and again. Y4M: "YUV4MPEG2 W… H… F…\\n", then for each frame "FRAME\\n" and its planes.
"""

from __future__ import annotations

import io
import random
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import segno
from PIL import Image, ImageDraw, ImageFilter

from .patience import PATIENCE_MS

WIDTH, HEIGHT, RATE = 640, 480, 5
TABLE = 140
FAKE = ("--use-fake-device-for-media-stream", "--autoplay-policy=no-user-gesture-required")
LETS = "--use-fake-ui-for-media-stream"


class Shown(NamedTuple):
    """What is held before the camera for `frames` fifths of a second; `torn`: nobody can read it."""

    text: str
    frames: int = 5
    torn: bool = False


def label(text: str, *, torn: bool = False) -> Image.Image:
    """A printed label, 4 modules of quiet zone."""
    out = io.BytesIO()
    segno.make(text, error="m").save(out, kind="png", scale=8, border=4)
    made = Image.open(out).convert("L")
    if torn:  # its three corners are whole, what it says is not
        side = made.width
        ImageDraw.Draw(made).rectangle((side * 0.35, side * 0.35, side * 0.72, side * 0.72), fill=60)
    return made


def held(one: Image.Image, rng: random.Random) -> Image.Image:
    """One frame: turned, seen from the side, somewhere, not quite sharp, in poor light."""
    side = rng.randint(210, 300)
    turned = one.resize((side, side), Image.Resampling.LANCZOS).convert("LA")
    turned = turned.rotate(rng.uniform(-25, 25), expand=True, resample=Image.Resampling.BICUBIC)
    wide, high = turned.size
    lean = rng.uniform(0, 0.07) * wide
    corners = (0, 0, lean, high, wide - lean, high, wide, 0)
    turned = turned.transform((wide, high), Image.Transform.QUAD, corners, resample=Image.Resampling.BICUBIC)
    frame = Image.new("L", (WIDTH, HEIGHT), TABLE)
    frame.paste(turned, (rng.randint(0, WIDTH - wide), rng.randint(0, HEIGHT - high)), turned.getchannel("A"))
    frame = frame.filter(ImageFilter.GaussianBlur(rng.uniform(0.4, 1.1)))
    light = rng.uniform(0.7, 1.0)
    return frame.point(lambda level: int(level * light))


def video(path: Path, shown: Iterable[Shown], seed: int = 5) -> Path:
    rng = random.Random(seed)
    grey = b"\x80" * (WIDTH * HEIGHT // 2)
    empty = Image.new("L", (WIDTH, HEIGHT), TABLE)
    with path.open("wb") as file:
        file.write(b"YUV4MPEG2 W%d H%d F%d:1 Ip A1:1 C420jpeg\n" % (WIDTH, HEIGHT, RATE))
        for one in shown:
            made = label(one.text, torn=one.torn)
            for frame in (*(held(made, rng) for _ in range(one.frames)), empty):
                file.write(b"FRAME\n" + frame.tobytes() + grey)
    return path


def launched(play: Any, path: Path, *more: str) -> Any:
    """Debian's chromium with that camera."""
    flags = ["--no-sandbox", *FAKE, f"--use-file-for-fake-video-capture={path}", *more]
    return play.chromium.launch(executable_path="/usr/bin/chromium", args=flags, timeout=PATIENCE_MS)

"""Photographs are read by a process of their own, which finds codes and can do nothing else."""

from __future__ import annotations

import asyncio
import io
import random
import subprocess
import sys

import pytest
import segno
from PIL import Image, ImageFilter

from hub.core.errors import DecodeError, NotReady
from hub.onboarding import qr_photos


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The reader comes last where the machine has other work."""
    monkeypatch.setattr(qr_photos, "ANSWER_S", 300.0)


LABEL = "LW:D0:70B3D59BA0000004:70B3D5E75E000001:01280013:C99B3"


def code(text: str, scale: int = 8) -> Image.Image:
    out = io.BytesIO()
    segno.make(text, error="m").save(out, kind="png", scale=scale, border=4)
    return Image.open(out).convert("RGB")


def photo(*images: Image.Image, kind: str = "JPEG", size: tuple[int, int] = (1600, 1200), **how: object) -> bytes:
    whole = Image.new("RGB", size, (120, 130, 110))
    for n, image in enumerate(images):
        whole.paste(image, (200 + 650 * n, 250))
    out = io.BytesIO()
    whole.save(out, kind, **how)
    return out.getvalue()


@pytest.mark.real("processes")
async def test_a_tilted_blurred_dim_label_in_a_photograph_is_read() -> None:
    tilted = code(LABEL).rotate(17, expand=True, fillcolor=(120, 130, 110)).filter(ImageFilter.GaussianBlur(1.2))
    dim = tilted.point(lambda level: level // 2 + 20)
    assert await qr_photos.codes(photo(dim, quality=60)) == [LABEL]


@pytest.mark.real("processes")
async def test_two_labels_in_one_picture_are_both_found_and_none_is_none() -> None:
    assert set(await qr_photos.codes(photo(code(LABEL), code("0018B20000001234"), kind="PNG"))) == {
        LABEL,
        "0018B20000001234",
    }
    assert await qr_photos.codes(photo()) == []


@pytest.mark.real("processes")
async def test_what_is_no_picture_is_refused_by_name_and_hurts_nobody() -> None:
    noise = random.Random(3).randbytes(20_000)
    for data in (b"", b"GIF89a" + noise, noise, photo()[:2000], photo(kind="PNG")[:500] + noise):
        with pytest.raises(DecodeError) as caught:
            await qr_photos.codes(data)
        assert caught.value.reason == "photo-unreadable"
    with pytest.raises(DecodeError, match="MB"):
        await qr_photos.codes(bytes(qr_photos.MOST_BYTES + 1))


@pytest.mark.real("processes")
async def test_a_picture_that_would_fill_the_memory_is_refused_before_it_is_opened_out() -> None:
    out = io.BytesIO()
    Image.new("1", (12_000, 12_000)).save(out, "PNG")
    with pytest.raises(DecodeError) as caught:
        await qr_photos.codes(out.getvalue())
    assert caught.value.reason in ("photo-pixels", "photo-unreadable")


@pytest.mark.real("processes")
async def test_two_at_once_are_two_processes() -> None:
    one, two = await asyncio.gather(
        qr_photos.codes(photo(code(LABEL))), qr_photos.codes(photo(code("0018B20000001234")))
    )
    assert (one, two) == ([LABEL], ["0018B20000001234"])


@pytest.mark.real("processes")
async def test_a_reader_that_a_photograph_has_taken_over_fills_no_memory() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-I",
        "-c",
        "import os\nwhile True: os.write(1, bytes(65536))",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(60):
        assert len(await qr_photos._exchange(process, b"x")) == 64 << 10
    process.kill()
    await process.wait()


@pytest.mark.real("processes")
@pytest.mark.parametrize(
    "said",
    [
        b'{"reason":"made-up"}',
        b'{"texts":[' + b",".join([b'"x"'] * 17) + b"]}",
        b"[]",
        b'{"x":1}',
        b'{"texts":["\xff"]}',
        b"",
    ],
)
async def test_a_reader_that_a_photograph_has_taken_over_makes_nothing_up(
    said: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def answered(process: object, photo: bytes) -> bytes:
        return said

    monkeypatch.setattr(qr_photos, "_exchange", answered)
    with pytest.raises(DecodeError) as caught:
        await qr_photos.codes(b"x")
    assert caught.value.reason == "photo-crash"


async def test_without_the_extra_people_are_told_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(qr_photos, "available", lambda: False)
    with pytest.raises(NotReady, match="photos"):
        await qr_photos.codes(photo())


@pytest.mark.real("processes")
def test_once_shut_in_the_worker_opens_no_file_and_no_socket_and_still_reads() -> None:
    """What the worker does, and between the door's closing and the picture what an attacker in it would try."""
    program = """
import io, socket, sys
from hub.sdk import sandbox as jail
from hub.onboarding.qr_photos import worker
worker._prepare()
jail.shut(memory=worker.MEMORY_BYTES)
for attack in (lambda: open("/etc/passwd"), socket.socket, lambda: __import__("os").fork()):
    try:
        attack()
    except (OSError, PermissionError):
        continue
    sys.exit("it went through")
import os
data = b""
while chunk := os.read(0, 1 << 20):
    data += chunk
os.write(1, "|".join(worker.decode_photo(data).texts).encode())
"""
    done = subprocess.run(
        [sys.executable, "-I", "-c", program], input=photo(code(LABEL)), capture_output=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout.decode()) == (0, LABEL), done.stderr

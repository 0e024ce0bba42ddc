"""Uploaded plans: what a browser shows of them stays the same, what else is in them goes."""

from __future__ import annotations

import io
import struct
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from hub.page_kit.picture_sanitizer import MOST_BYTES, sanitize
from hub.page_kit.refusals import Refused


def picture(kind: str, mode: str = "RGB", size: tuple[int, int] = (120, 80), **how: object) -> bytes:
    image = Image.linear_gradient("L").resize(size).convert(mode)
    out = io.BytesIO()
    image.save(out, kind, **how)
    return out.getvalue()


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


@pytest.mark.parametrize(
    "data",
    [
        picture("PNG"), picture("PNG", "L"), picture("PNG", "P"), picture("PNG", "RGBA"), picture("PNG", "1"),
        picture("JPEG"), picture("JPEG", "L"), picture("JPEG", progressive=True), picture("JPEG", "CMYK"),
        picture("JPEG", restart_marker_blocks=2),
    ],
)  # fmt: skip
def test_another_reader_sees_the_same_pixels(data: bytes) -> None:
    plan = sanitize(data)
    before, after = Image.open(io.BytesIO(data)), Image.open(io.BytesIO(plan.data))
    assert (plan.width, plan.height) == before.size == after.size
    assert before.convert("RGB").tobytes() == after.convert("RGB").tobytes()
    assert Image.MIME[before.format or ""] == plan.kind


def test_where_and_when_it_was_taken_goes_and_so_does_what_hides_behind_it() -> None:
    exif = Image.Exif()
    exif[0x010E] = "48.8566 N 2.3522 E, salle des coffres"
    jpeg = picture("JPEG", exif=exif.tobytes(), comment=b"secret words") + b"PK\x03\x04hidden"
    plan = sanitize(jpeg)
    assert not any(word in plan.data for word in (b"48.8566", b"secret words", b"hidden", b"Exif"))
    png = picture("PNG")
    bent = png[:33] + chunk(b"tEXt", b"Author\0Camille") + png[33:] + b"<script>alert(1)</script>"
    assert not any(word in sanitize(bent).data for word in (b"Camille", b"script"))


def test_nothing_hides_behind_what_tells_how_colours_are_meant() -> None:
    jpeg = picture("JPEG", "CMYK")
    at = jpeg.index(b"\xff\xeeAdobe"[:2], 2)
    (size,) = struct.unpack_from(">H", jpeg, at + 2)
    assert jpeg[at + 4 : at + 9] == b"Adobe"
    bent = (
        jpeg[: at + 2]
        + struct.pack(">H", size + 12)
        + jpeg[at + 4 : at + 2 + size]
        + b"48.8566 N 2E"
        + jpeg[at + 2 + size :]
    )
    assert b"48.8566" not in sanitize(bent).data
    assert sanitize(bent).data == sanitize(jpeg).data


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("order", ["<", ">"])
def test_of_exif_only_which_way_is_up_stays_and_another_reader_turns_it_the_same(orientation: int, order: str) -> None:
    exif = Image.Exif()
    exif.endian = order
    exif[0x010F], exif[0x0112] = "A phone", orientation
    exif.get_ifd(0x8825)[1] = "N"  # where it was taken
    data = picture("JPEG", exif=exif.tobytes())
    plan = sanitize(data)
    after = Image.open(io.BytesIO(plan.data))
    assert dict(after.getexif()) == ({0x0112: orientation} if orientation > 1 else {})
    assert b"A phone" not in plan.data
    turned = [ImageOps.exif_transpose(Image.open(io.BytesIO(one))) for one in (data, plan.data)]
    assert turned[0].tobytes() == turned[1].tobytes()
    assert (plan.width, plan.height) == turned[1].size
    assert sanitize(plan.data) == plan


@given(st.binary(max_size=200))
def test_no_exif_breaks_a_picture(tiff: bytes) -> None:
    data = picture("JPEG")
    body = b"Exif\0\0" + tiff
    bent = data[:2] + struct.pack(">BBH", 0xFF, 0xE1, len(body) + 2) + body + data[2:]
    plan = sanitize(bent)
    assert {plan.width, plan.height} == {120, 80}
    assert len(plan.data) <= len(sanitize(data).data) + 36


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"<svg xmlns='http://www.w3.org/2000/svg'><script/></svg>", "plan-kind"), (b"GIF89a", "plan-kind"),
        (b"", "plan-kind"),
        (picture("PNG")[:-20], "plan-broken"), (picture("JPEG")[:-60], "plan-broken"),
        (picture("PNG", size=(9000, 40)), "plan-size"), (picture("PNG", size=(8, 8)), "plan-size"),
        (picture("PNG") + bytes(MOST_BYTES), "plan-large"),
        (picture("PNG")[:33] + chunk(b"ABCD", b"x") + picture("PNG")[33:], "plan-broken"),
        (picture("PNG").replace(b"IHDR\0\0\0\x78", b"IHDR\0\0\0\x79"), "plan-broken"),
    ],
)  # fmt: skip
def test_what_is_no_whole_picture_of_the_two_kinds_is_refused_by_name(data: bytes, why: str) -> None:
    with pytest.raises(Refused) as caught:
        sanitize(data)
    assert caught.value.key == why


@settings(max_examples=200)
@given(st.data())
def test_whatever_is_sent_is_refused_or_made_of_known_pieces(data: st.DataObject) -> None:
    base = bytearray(data.draw(st.sampled_from([picture("PNG"), picture("JPEG")])))
    for _ in range(data.draw(st.integers(1, 6))):
        base[data.draw(st.integers(3, len(base) - 1))] = data.draw(st.integers(0, 255))
    try:
        plan = sanitize(bytes(base))
    except Refused:
        return
    assert sanitize(plan.data) == plan  # what was taken is a fixed point

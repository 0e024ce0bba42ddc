"""QR codes in an uploaded photograph, for browsers without access to a camera.

A photograph is untrusted input, and its decoders are C and C++: they run in a process of their own that lives for one
photograph, sandboxed before its first byte (`hub.sdk.sandbox`): no file, no socket, no other process, bounded memory
and time. Needs the extra `photos`; without it nothing is decoded and people type.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from importlib.util import find_spec
from typing import Annotated, Literal

import msgspec

from hub.core.errors import DecodeError, NotReady
from hub.core.nesting import shallow_json
from hub.core.text import phrase, reason_of

MOST_BYTES = 8 << 20
ANSWER_S = 15.0
MAX_CODES = 16
"""Maximum codes of one photograph."""
_ANSWER = 64 << 10


class PhotoResult(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Answer of the worker: the texts of the codes, or the reason why the picture cannot be read."""

    texts: Annotated[list[str], msgspec.Meta(max_length=MAX_CODES)] = []
    reason: Literal["", "photo-pixels", "photo-unreadable"] = ""


def available() -> bool:
    """Return whether this hub can decode photographs."""
    return find_spec("PIL") is not None and find_spec("zxingcpp") is not None


async def codes(photo: bytes) -> list[str]:
    """Return the texts of all codes in a JPEG or PNG, [] without any. Raises DecodeError (`photo-…`) when the picture
    cannot be read, NotReady when the process cannot be started."""
    if not available():
        raise NotReady(
            phrase(
                "photos-extra-missing",
                "photographs are decoded with the extra `photos`: pip install 'ilot[photos]'; type the label",
            )
        )
    if len(photo) > MOST_BYTES:
        raise DecodeError(
            "photo-large",
            phrase("photo-too-large", "a photograph has at most {most} MB", most=MOST_BYTES >> 20),
        )
    try:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-I",
            "-m",
            "hub.onboarding.qr_photos.worker",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env={"PATH": os.defpath},
            close_fds=True,
        )
    except OSError as error:
        raise NotReady(
            phrase(
                "photo-reader-not-started",
                "the process that reads photographs cannot be started: {reason}",
                reason=reason_of(error),
            )
        ) from error
    try:
        async with asyncio.timeout(ANSWER_S):
            answer = await _exchange(process, photo)
    except TimeoutError:
        raise DecodeError(
            "photo-time",
            phrase("photo-reader-too-slow", "nothing was found in it within {seconds:.0f} s", seconds=ANSWER_S),
        ) from None
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
    try:
        found = msgspec.json.decode(shallow_json(answer), type=PhotoResult)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise DecodeError(
            "photo-crash",
            phrase("photo-reader-died", "the process that reads photographs died of this one"),
        ) from None
    if found.reason:
        raise DecodeError(found.reason, phrase("photo-not-readable", "this is no JPEG or PNG that can be read"))
    return found.texts


async def _exchange(process: asyncio.subprocess.Process, photo: bytes) -> bytes:
    """Send the photograph and return at most _ANSWER bytes: a worker that a photograph has taken over must not send
    more."""
    assert process.stdin is not None  # noqa: S101 - started with pipes
    assert process.stdout is not None  # noqa: S101
    with contextlib.suppress(ConnectionError):  # it died, or stopped reading
        process.stdin.write(photo)
        await process.stdin.drain()
    process.stdin.close()
    answer = bytearray()
    while len(answer) < _ANSWER and (chunk := await process.stdout.read(_ANSWER - len(answer))):
        answer += chunk
    return bytes(answer)

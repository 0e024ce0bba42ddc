"""A codec on trial: one payload at a time meets it, and nobody waits behind a call of one that has looped."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from hub.core.errors import DecodeError
from hub.devices.packs.library import Library
from hub.devices.packs.service import Packs
from hub.sdk.testing import settle
from tests.hub.devices.packs.packs_kit import CODEC, PACK, VECTORS


class Codecs:
    """A worker whose calls end when the test says how."""

    def __init__(self) -> None:
        self.calls: list[asyncio.Future[dict[str, Any]]] = []

    async def __aenter__(self) -> Codecs:
        return self

    async def __aexit__(self, *_: object) -> None: ...

    async def decode_uplink(self, *_: object) -> dict[str, Any]:
        self.calls.append(asyncio.get_running_loop().create_future())
        return await self.calls[-1]


@pytest.fixture
def codecs() -> Codecs:
    return Codecs()


@pytest.fixture
def packs(tmp_path: Path, codecs: Codecs) -> Packs:
    folder = tmp_path / "acme-thermo"
    (folder / "vectors").mkdir(parents=True)
    (folder / "pack.yaml").write_text(PACK)
    (folder / "codec.js").write_text(CODEC)
    (folder / "vectors" / "data.yaml").write_text(VECTORS)
    return Packs(Library(shipped=tmp_path), codecs)  # type: ignore[arg-type]


def asked(packs: Packs, count: int) -> list[asyncio.Task[Any]]:
    return [asyncio.create_task(packs.decode("acme-thermo", 1, b"\xd7\x05\x01", None)) for _ in range(count)]


async def called(codecs: Codecs, count: int) -> None:
    async with asyncio.timeout(60):
        while len(codecs.calls) < count:
            await asyncio.sleep(0.001)


async def reasons(tasks: list[asyncio.Task[Any]]) -> list[str]:
    async with asyncio.timeout(60):
        said = await asyncio.gather(*tasks, return_exceptions=True)
    return [one.reason if isinstance(one, DecodeError) else "read" for one in said]


async def test_who_waited_for_a_codec_that_then_looped_waits_no_longer(packs: Packs, codecs: Codecs) -> None:
    await packs.get("acme-thermo")
    tasks = asked(packs, 6)
    await called(codecs, 1)
    await settle()  # all of them wait
    codecs.calls[0].set_exception(DecodeError("codec-time"))
    assert sorted(await reasons(tasks)) == ["codec-rests"] * 5 + ["codec-time"]
    assert len(codecs.calls) == 1, "not one of them had to wait for a second loop"


async def test_while_a_codec_that_has_looped_is_tried_again_the_others_do_not_wait(
    packs: Packs, codecs: Codecs
) -> None:
    first = asked(packs, 1)
    await called(codecs, 1)
    codecs.calls[0].set_exception(DecodeError("codec-time"))
    assert await reasons(first) == ["codec-time"]
    trial = asked(packs, 1)
    await called(codecs, 2)
    assert await reasons(asked(packs, 4)) == ["codec-rests"] * 4
    codecs.calls[1].set_result({"data": {"t": 215, "t2": 50, "open": 1}})
    assert await reasons(trial) == ["read"]
    together = asked(packs, 3)
    await called(codecs, 5)  # it answered: all at once from now on
    for call in codecs.calls[2:]:
        call.set_result({"data": {"t": 215, "t2": 50, "open": 1}})
    assert await reasons(together) == ["read"] * 3


async def test_who_waits_for_the_first_answer_of_a_good_codec_is_read_too(packs: Packs, codecs: Codecs) -> None:
    tasks = asked(packs, 3)
    for number in range(3):
        await called(codecs, number + 1)
        codecs.calls[number].set_result({"data": {"t": 215, "t2": 50, "open": 1}})
    assert await reasons(tasks) == ["read"] * 3

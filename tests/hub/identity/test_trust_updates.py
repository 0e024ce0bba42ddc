"""What becomes of a trust document that the disk refuses; the whole way is in tests/plugins/https/test_rotation.py."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hub.core.errors import StorageError
from hub.identity.trust_updates import RETRY_S, TrustUpdates
from hub.protocol.documents.trust import Trust
from hub.sdk.testing import ManualClock

FIRST = Trust(version=1, owner="Owner", recipients=(), ack_keys=())


async def test_a_document_that_the_disk_refused_is_tried_again_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    adopted: list[Trust] = []
    answers: list[Any] = [StorageError("no space"), StorageError("no space"), msgspec.structs.replace(FIRST, version=2)]
    tried = asyncio.Event()

    def keep(state: Path, document: bytes) -> Trust:
        answer = answers.pop(0)
        loop.call_soon_threadsafe(tried.set)
        if isinstance(answer, Exception):
            raise answer
        return answer  # type: ignore[no-any-return]

    loop = asyncio.get_running_loop()
    monkeypatch.setattr("hub.identity.trust_updates.enrolment.keep_trust", keep)
    clock = ManualClock()
    following = TrustUpdates(tmp_path, FIRST, clock, adopted.append)
    running = asyncio.create_task(following.run())
    following.offer(b"document")
    for left in (2, 1, 0):
        async with asyncio.timeout(60):
            await tried.wait()
            tried.clear()
            while not (clock._sleepers if left else adopted):
                await asyncio.sleep(0.001)
        assert len(answers) == left
        assert following.complaints() == (["trust document: no space"] if left else [])
        await clock.advance(RETRY_S)
    assert [trust.version for trust in adopted] == [2]
    running.cancel()

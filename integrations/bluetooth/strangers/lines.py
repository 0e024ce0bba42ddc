"""Lines of `ilot decode ble` with a further field: {…, "others": true, "key"?: hex} is decoded by third-party parsers.
The key is part of the line because a parser uses it; in a file or a pipe nobody else sees it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import hub
from hub.sdk.phrases import phrase, reason_of
from integrations.bluetooth import advert
from integrations.bluetooth.strangers import mapping


def line(item: Mapping[str, Any]) -> hub.Frame:
    """Parse a line as `advert.line` does; with "others", the frame carries the answer of a worker started for it.
    Raises DecodeError `bad-line`, or as `advert.line` does, and `no-parser` when the worker cannot run or dies."""
    if "others" not in item:
        return advert.line(item)
    rest = {key: value for key, value in item.items() if key not in ("others", "key")}
    key = _key(item.get("key"))
    if item["others"] is not True:
        raise hub.DecodeError("bad-line", phrase("bluetooth.others-not-true", "others is true, or absent"))
    frame = advert.line(rest)
    return hub.Frame(
        kind="ble",
        address=frame.address,
        data={**frame.data, mapping.SECTION: _ask(frame, key)},
        time=frame.time,
        signal=frame.signal,
        name=frame.name,
    )


def _key(text: object) -> bytes | None:
    if text is None:
        return None
    try:
        return bytes.fromhex(text) if isinstance(text, str) else bytes.fromhex("no")
    except ValueError:
        raise hub.DecodeError("bad-line", phrase("bluetooth.key-not-hexadecimal", "key is hexadecimal")) from None


def _ask(frame: hub.Frame, key: bytes | None) -> bytes:
    import asyncio

    from integrations.bluetooth.strangers import child
    from integrations.bluetooth.strangers.questions import question

    device = hub.Device(id=f"ble:{frame.address}", integration="", place="", key=key)

    async def asked() -> bytes:
        async with child.worker([]) as worker:
            _, data = await worker.asked(question(frame, device), child.ANSWER_S)
            return data

    try:
        return asyncio.run(asked())
    except (child.Lost, child.NoParsers) as error:
        raise hub.DecodeError("no-parser", reason_of(error)) from None

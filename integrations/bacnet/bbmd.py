"""Registration of the hub as a foreign device of a BBMD, for sending and receiving broadcasts.

ANSI/ASHRAE 135-2020, Annex J.5.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta

import hub
from hub.sdk.phrases import phrase
from integrations.bacnet import encode

REGISTRATION_S = 3.0
"""Seconds that a BBMD may take to answer."""
ATTEMPTS = 3


class Registration:
    """The registration with the BBMD at `bbmd`; `send` sends a datagram."""

    def __init__(
        self, bbmd: tuple[str, int], lifetime: timedelta, send: Callable[[bytes, tuple[str, int]], None]
    ) -> None:
        self.bbmd = bbmd
        self._lifetime_s = int(lifetime.total_seconds())
        self._send = send
        self._result: asyncio.Future[int] | None = None

    async def register(self) -> None:
        """Register, or renew. Raises NotReady when the BBMD does not answer, AuthFailed when it refuses."""
        self._result = asyncio.get_running_loop().create_future()
        address = f"{self.bbmd[0]}:{self.bbmd[1]}"
        try:
            for _ in range(ATTEMPTS):
                self._send(encode.register(self._lifetime_s), self.bbmd)
                done, _ = await asyncio.wait({self._result}, timeout=REGISTRATION_S)
                if done:
                    break
            else:
                raise hub.NotReady(
                    phrase(
                        "bacnet.bbmd-silent",
                        "the BBMD at {address} does not answer: check its address, and that it runs",
                        address=address,
                    )
                )
            if code := self._result.result():
                raise hub.AuthFailed(
                    phrase(
                        "bacnet.bbmd-refuses",
                        "the BBMD at {address} refuses foreign devices (result 0x{code:04x}): allow it there",
                        address=address,
                        code=code,
                    )
                )
        finally:
            self._result = None

    def answered(self, code: int) -> None:
        """Handle a result from the BBMD."""
        if self._result is not None and not self._result.done():
            self._result.set_result(code)

"""Plays devices of a Sigfox pack for `ilot sim --pack`: the operator's callbacks, by HTTP, as its page sends them."""

from __future__ import annotations

import asyncio
import base64
import random
import secrets
import socket
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

import hub
from hub.sdk.phrases import phrase, reason_of
from hub.sdk.sigfox.callback import MAX_SEQ
from hub.sdk.simulation import Fault, Message, Play, Played, Script

_SECRET = "sigfox-sim"  # noqa: S105 - the name of one
PATIENCE_S = 10.0


class SigfoxPlayer:
    """The operator, who delivers the messages of simulated devices."""

    faults: frozenset[Fault] = frozenset({"silence", "repeat", "drop", "wrong-payload"})
    environment: dict[str, str] = {}  # noqa: RUF012 - nothing to add to

    def __init__(self, script: Script, http: aiohttp.ClientSession, port: int, headers: dict[str, str]) -> None:
        rng = random.Random(f"{script.pack} {script.seed}")  # noqa: S311 - a simulation
        self._http, self._port, self._headers = http, port, headers
        self._url = f"http://127.0.0.1:{port}/sigfox/"
        self._numbers = [f"{rng.randrange(1 << 24, 1 << 32):X}" for _ in range(script.devices)]
        self._seq = [int(time.time()) % 2048] * script.devices
        self.devices = [Played(f"sigfox:{number}") for number in self._numbers]
        self.options: dict[str, Any] = {}
        self.secrets: dict[str, str] = {}

    def speaks(self, device: int, message: Message) -> bool:
        return True

    async def joined(self, device: int) -> None:
        """Return once the hub listens."""
        wait = time.monotonic() + 60.0
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", self._port)
            except OSError as error:
                if time.monotonic() > wait:
                    raise self._away(error) from error
                await asyncio.sleep(0.2)
            else:
                writer.close()
                return

    async def say(self, device: int, message: Message, fault: Fault | None) -> None:
        if fault == "silence":
            return
        self._seq[device] = (self._seq[device] + 1) % min(MAX_SEQ, 4096)
        if fault == "drop":
            return
        payload = message.payload[: len(message.payload) // 2] if fault == "wrong-payload" else message.payload
        said = {
            "device": self._numbers[device], "time": int(time.time()), "seqNumber": self._seq[device],
            "data": payload.hex(),
        }  # fmt: skip
        for _ in range(2 if fault == "repeat" else 1):
            await self.send("uplink", said)

    async def send(self, kind: str, said: Mapping[str, Any]) -> None:
        """Send a callback. Raises NotReady when the hub does not take it."""
        try:
            async with self._http.post(f"{self._url}{kind}", json=said, headers=self._headers) as reply:
                await reply.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise self._away(error) from error
        if reply.status in (401, 403):
            raise hub.NotReady(
                phrase("sigfox.simulated-callback-refused", "the hub refuses the callback: the secret is another")
            )

    def _away(self, error: Exception) -> hub.NotReady:
        return hub.NotReady(
            phrase(
                "sigfox.simulated-callback-not-taken",
                "{url} takes no callback: {reason}",
                url=self._url,
                reason=reason_of(error),
            )
        )


@asynccontextmanager
async def play(script: Script) -> AsyncIterator[SigfoxPlayer]:
    given = None if script.options is None else script.options.listen
    if script.options is not None and (given is None or given.certificate):
        raise hub.NotReady(
            phrase(
                "sigfox.simulated-callbacks-need-listen",
                "callbacks are simulated on this machine, and the configuration of the hub has no `listen` without a "
                "certificate",
            )
        )
    port = _free_port() if given is None else given.port
    secret = secrets.token_hex(24) if given is None else given.secret.get_secret_value()
    user, header = ("", "Authorization") if given is None else (given.user, given.header)
    basic = base64.b64encode(f"{user}:{secret}".encode()).decode()
    word = secret if header.lower() != "authorization" else f"Basic {basic}" if user else f"Bearer {secret}"
    patience = aiohttp.ClientTimeout(total=PATIENCE_S)
    async with aiohttp.ClientSession(timeout=patience) as http:
        player = SigfoxPlayer(script, http, port, {header: word})
        player.options["listen"] = {"port": port, "secret": f"!secret {_SECRET}"}
        if given is None:
            player.secrets[_SECRET] = secret
        yield player


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


PLAYERS: dict[str, Play] = {"sigfox": play}

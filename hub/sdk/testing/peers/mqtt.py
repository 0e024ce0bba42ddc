"""A broker: mosquitto, and aiomqtt to publish with."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import tempfile
from pathlib import Path

from hub.sdk.testing.peers.beginning import Beginning
from hub.sdk.testing.peers.missing import free_port, need_module, need_program


class MqttBroker(Beginning):
    """A broker at `host` and `port` that lets everybody in, or only `user` with `password`."""

    def __init__(self, user: str = "", password: str = "") -> None:
        self.host, self.port = "127.0.0.1", free_port()
        self.user, self.password = user, password
        self._process: asyncio.subprocess.Process | None = None

    async def begin(self) -> None:
        """Start it, and wait until it listens. Raises PeerMissing."""
        program = need_program("mosquitto", "mosquitto")
        folder = self._folder = Path(tempfile.mkdtemp(prefix="ilot-mqtt-"))
        lines = [f"listener {self.port} {self.host}", "max_inflight_messages 0", "max_queued_messages 0"]
        if self.user:
            await self._passwords(folder / "passwords")
            lines.append(f"password_file {folder / 'passwords'}")
        else:
            lines.append("allow_anonymous true")
        (folder / "mosquitto.conf").write_text("\n".join([*lines, "user root", ""]))
        null = asyncio.subprocess.DEVNULL
        self._process = await asyncio.create_subprocess_exec(
            program, "-c", str(folder / "mosquitto.conf"), stdout=null, stderr=null
        )
        while True:
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection(self.host, self.port)
                writer.close()
                return
            if self._process.returncode is not None:
                raise RuntimeError(f"mosquitto ends at once with status {self._process.returncode}")
            await asyncio.sleep(0.01)

    async def _passwords(self, path: Path) -> None:
        made = await asyncio.create_subprocess_exec(
            need_program("mosquitto_passwd", "mosquitto"), "-b", "-c", str(path), self.user, self.password,
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        await made.wait()

    async def end(self) -> None:
        """Kill it."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
        if self._process is not None:
            await self._process.wait()
            self._process = None
            shutil.rmtree(self._folder, ignore_errors=True)

    async def publish(self, topic: str, *payloads: bytes, retain: bool = False) -> None:
        """Publish, each with quality of service 1: it returns when the broker has them. Raises PeerMissing."""
        need_module("aiomqtt", "aiomqtt>=2.5,<3")
        from aiomqtt import Client

        async with Client(self.host, self.port, username=self.user or None, password=self.password or None) as client:
            for payload in payloads:
                await client.publish(topic, payload, qos=1, retain=retain)

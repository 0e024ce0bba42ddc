"""Writes frames to one end of the socket pair, in order, without making whoever writes wait."""

from __future__ import annotations

import array
import asyncio
import contextlib
import os
import select
import socket
from collections import deque
from collections.abc import Sequence
from itertools import islice

MOST_AT_ONCE = 1 << 17


class Writer:
    """The way out of one end. Frames wait in memory until the other end takes them: `waiting` is their bytes."""

    def __init__(self, sock: socket.socket) -> None:
        self.waiting = 0
        self.broken = False
        self._sock = sock
        self._loop = asyncio.get_running_loop()
        self._frames: deque[tuple[bytes, tuple[int, ...]]] = deque()
        self._begun = 0  # bytes of the first frame that are sent
        self._asked = False
        self._listening = False
        self._drained = asyncio.Event()

    def write(self, frame: bytes, descriptors: Sequence[int] = ()) -> None:
        """Send a frame as soon as possible, with copies of these descriptors."""
        if self.broken:
            return
        self._frames.append((frame, tuple(map(os.dup, descriptors))))
        self.waiting += len(frame)
        if not self._asked and not self._listening:
            self._asked = True
            self._loop.call_soon(self._flush)

    async def below(self, bytes_: int) -> None:
        """Wait until fewer than this wait."""
        while self.waiting >= bytes_ and not self.broken:
            self._drained.clear()
            await self._drained.wait()

    def block(self) -> None:
        """Send all there is now, with everything else of the process waiting, or until the socket takes no more."""
        self._send()

    def wait_writable(self, seconds: float) -> None:
        """Wait until the socket takes or gives bytes."""
        events = select.POLLIN | (select.POLLOUT if self._frames else 0)
        poll = select.poll()
        poll.register(self._sock, events)
        poll.poll(seconds * 1000)

    def close(self) -> None:
        """Forget what was not sent."""
        self.broken = True
        if self._listening:
            self._loop.remove_writer(self._sock)
            self._listening = False
        for _, descriptors in self._frames:
            for one in descriptors:
                os.close(one)
        self._frames.clear()
        self._drained.set()

    def _flush(self) -> None:
        self._asked = False
        self._send()
        more = bool(self._frames) and not self.broken
        if more and not self._listening:
            self._loop.add_writer(self._sock, self._flush)
        elif not more and self._listening:
            self._loop.remove_writer(self._sock)
        self._listening = more

    def _send(self) -> None:
        try:
            while self._frames:
                self._sent(self._send_some())
        except (BlockingIOError, InterruptedError):
            pass
        except OSError:  # the other end is gone: whoever reads sees its end
            self.close()
            return
        self._drained.set()

    def _send_some(self) -> int:
        frame, descriptors = self._frames[0]
        if descriptors and not self._begun:
            passed = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))]
            return self._sock.sendmsg([frame], passed)
        if len(self._frames) == 1:
            return self._sock.send(memoryview(frame)[self._begun :])
        parts, size = [memoryview(frame)[self._begun :]], len(frame)
        for body, more in islice(self._frames, 1, 200):  # of perhaps tens of thousands, to a slow reader
            if more or size > MOST_AT_ONCE:
                break
            parts.append(memoryview(body))
            size += len(body)
        return self._sock.sendmsg(parts)

    def _sent(self, size: int) -> None:
        self.waiting -= size
        self._begun += size
        while self._frames and self._begun >= len(self._frames[0][0]):
            frame, descriptors = self._frames.popleft()
            self._begun -= len(frame)
            for one in descriptors:
                with contextlib.suppress(OSError):
                    os.close(one)

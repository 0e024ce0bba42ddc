"""Note of a running hub: one that dies leaves it behind. After several deaths in a row the next hub starts in safe
mode, without the plugins of others.

Only deaths within one start of the machine count: a power cut is nobody's fault. The note therefore needs no sync.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from hub.core.text import phrase

WINDOW_S = 600.0
CRASHES = 3
"""Deaths within WINDOW_S after which a hub starts in safe mode."""
_BOOT = Path("/proc/sys/kernel/random/boot_id")


class Crash(msgspec.Struct, frozen=True):
    """A death: when it was found, in seconds since the machine started; the plugin that held the loop before, or ""."""

    at: float
    suspect: str = ""


class Note(msgspec.Struct):
    """The file. `running`: this hub has not ended in order yet."""

    boot: str
    running: bool = True
    suspect: str = ""
    crashes: list[Crash] = []


class SafeMode(msgspec.Struct, frozen=True):
    """Why a hub starts without some plugins."""

    crashes: int
    suspects: frozenset[str]

    def leaves_out(self, plugin: str, *, shipped: bool) -> str:
        """Return why a plugin does not start, "" if it does: those of others do not, nor one that held the hub."""
        if shipped and plugin not in self.suspects:
            return ""
        if plugin in self.suspects:
            return phrase(
                "left-out-as-suspect",
                "left out: the hub died {count} times within ten minutes, and {plugin} held it before that; restart it "
                "on the page of integrations, or restart the hub, to try it again",
                count=self.crashes,
                plugin=plugin,
            )
        return phrase(
            "left-out-as-foreign",
            "left out: the hub died {count} times within ten minutes, and this plugin is not part of it; restart it on "
            "the page of integrations, or restart the hub, to try it again",
            count=self.crashes,
        )


class CrashNotes:
    """The note in a state directory. `now`: seconds since the machine started; `boot`: which start that was."""

    def __init__(
        self,
        directory: Path,
        now: Callable[[], float] = lambda: time.clock_gettime(time.CLOCK_BOOTTIME),
        boot: Callable[[], str] = lambda: _BOOT.read_text().strip(),
    ) -> None:
        self._path = directory / "running.json"
        self._now = now
        self._note = Note(boot())

    def begin(self) -> SafeMode | None:
        """Note that a hub runs. Returns the safe mode that it has to start in, if any."""
        former = self._read()
        if former is not None and former.boot == self._note.boot:
            crashes = [one for one in former.crashes if 0 <= self._now() - one.at < WINDOW_S]
            if former.running:
                crashes.append(Crash(self._now(), former.suspect))
            self._note.crashes = crashes[-CRASHES:]
        self._write()
        if len(self._note.crashes) < CRASHES:
            return None
        return SafeMode(len(self._note.crashes), frozenset(one.suspect for one in self._note.crashes if one.suspect))

    def suspect(self, plugin: str) -> None:
        """Note that a plugin holds the loop: the hub may be killed for it. Called from another thread."""
        self._note.suspect = plugin
        self._write()

    def end(self) -> None:
        """Note that the hub ended in order: what was before does not count any more."""
        self._note = Note(self._note.boot, running=False)
        self._write()

    def _read(self) -> Note | None:
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=Note)
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
            return None  # none yet, or cut: a death that is not counted

    def _write(self) -> None:
        part = self._path.with_suffix(".part")
        try:
            part.write_bytes(msgspec.json.encode(self._note))
            os.replace(part, self._path)
        except OSError:
            return  # a full disk keeps no hub from running

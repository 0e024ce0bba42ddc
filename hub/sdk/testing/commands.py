"""Commands that a test gives, and how a plugin answers them."""

from __future__ import annotations

from collections.abc import AsyncIterator

from hub.core.model import Command
from hub.sdk.session import Answer
from hub.sdk.testing.waiting import Inbox

FINAL = ("done", "failed", "expired")
STATES = ("queued", "sent", *FINAL)


class FakeCommands:
    """Implements `hub.sdk.session.Commands`. `give` a command, as if somebody had ordered it; `answers` are the
    plugin's: (id, state, detail). `ended` are the ids of commands no longer wanted, `offered` what it offers.

    As the hub judges: an answer to a command that the plugin did not take, or has answered for good, or in another word
    counts for nothing (`ignored`). A command that it took and left without an answer when it stopped has failed
    (`unanswered`); one that it only queued comes again with the next run. One that has expired is given all the same,
    so that a test sees whether the plugin looks: it may have waited."""

    def __init__(self) -> None:
        self.answers: list[tuple[str, Answer, str]] = []
        self.ignored: list[tuple[str, str, str]] = []
        self.unanswered: list[str] = []
        self.ended: set[str] = set()
        self.offered: tuple[str, ...] = ()
        self._given: Inbox[Command] = Inbox()
        self._taken: dict[str, tuple[Command, str]] = {}
        """Commands that the plugin has, each with the state that it last said."""
        self._turn = 0

    def give(self, command: Command) -> None:
        """Order a command."""
        self._given.put(command)

    async def __aiter__(self) -> AsyncIterator[Command]:
        self._stop()  # what a former run has taken
        self._turn += 1
        turn = self._turn
        try:
            while True:
                command = await self._given.get()
                if command.id in self.ended:
                    continue
                self._taken[command.id] = command, ""
                yield command
        finally:
            if turn == self._turn:
                self._stop()

    def _stop(self) -> None:
        taken, self._taken = self._taken, {}
        for name, (command, state) in taken.items():
            if name in self.ended:
                continue
            if state == "queued":
                self._given.put(command)
            else:
                self.unanswered.append(name)

    def answer(self, command: Command, state: Answer, detail: str = "") -> None:
        if command.id not in self._taken or state not in STATES or command.id in self.ended:
            self.ignored.append((command.id, state, detail))
            return
        self.answers.append((command.id, state, detail))
        if state in FINAL:
            del self._taken[command.id]
        else:
            self._taken[command.id] = command, state

    def wanted(self, command: Command) -> bool:
        return command.id in self._taken and command.id not in self.ended

    def offer(self, *acts: str) -> None:
        self.offered = acts

    def idle(self) -> bool:
        """Whether the plugin waits for a command, and none is there."""
        return bool(self._given.waiting) and self._given.empty()

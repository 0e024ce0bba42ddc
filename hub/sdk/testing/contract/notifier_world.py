"""A notifier in its surroundings: what the contract tests need to know of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import ModuleType
from typing import Any

from hub.core.model import Report
from hub.sdk.notification import Notification
from hub.sdk.options import Config
from hub.sdk.testing.contract.world import Registered, World
from hub.sdk.testing.notifying import FakeNotifications, notification
from hub.sdk.testing.session import FakeSession


class NotifierWorld(World):
    """A notifier with a receiver to tell. Subclass it, one class for each notifier of the module.

    `prepare` puts the receiver's replies into `session.http`. By itself the receiver is `away` when nothing is
    answered, and back when `prepare` has been called again. The hub gives the notifications: one needs no `say`."""

    exempt: Mapping[str, str] = {
        "ids-stable": "a notifier has no devices",
        "units-valid": "a notifier reports nothing",
        "flood-held-back": "the hub's own queue holds alerts back, and gives one at a time",
    }

    def __init__(self) -> None:
        self._queue = FakeNotifications()
        self._said = 0

    async def say(self, session: FakeSession, count: int) -> None:
        for _ in range(count):
            self._said += 1
            self._queue.give(notification(f"alert-{self._said}"))

    async def away(self, session: FakeSession) -> None:
        session.http.replies.clear()

    async def back(self, session: FakeSession) -> None:
        self.prepare(session)

    def registered(self) -> Registered:
        """The notifier, which runs over the notifications of this world. Raises ValueError when its module registers
        none of this name."""
        found = list(notifiers(self.imported()))
        wanted = [one for one in found if self.name in ("", one.name)]
        if not wanted:
            raise ValueError(f"{self.module} registers no notifier {self.name!r}, but {[one.name for one in found]}")
        one = wanted[0]

        async def run(config: Any, session: FakeSession) -> None:
            await one.run(config, self._queue)

        return Registered(name=one.name, config=one.config, run=run)

    def session(self, state: Any = None) -> FakeSession:
        """A session for one run, in which what was told counts as a report, and a queue of its own."""
        made = super().session(state)
        self._queue = _Counted(made)
        return made


class _Counted(FakeNotifications):
    """Notifications; each that is done is a report of the session, which is what contract tests wait for."""

    def __init__(self, session: FakeSession) -> None:
        super().__init__(session.name, session.http)
        self._session = session

    def done(self, notice: Notification) -> None:
        super().done(notice)
        self._session.reports.append(Report(device=f"notifier:{self.name}", values={}))


def notifiers(module: ModuleType) -> Iterable[Registered]:
    """The notifiers that a plugin registers."""
    found: list[Registered] = []

    def register(
        name: str, config: type[Config], run: Callable[[Any, Any], Any], *, per_hour: int | None = None
    ) -> None:
        found.append(Registered(name=name, config=config, run=run))

    if hasattr(module, "register_notifiers"):
        module.register_notifiers(register)
    return found

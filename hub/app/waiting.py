"""A hub that is not enrolled yet: its pages, so that it is claimed and enrolled from a phone, and nothing else.

No device is read: without the owner's keys no reading can be sealed, and none is kept unsealed (decision 0114). It ends
when it is enrolled, by its pages or by `ilot enroll`, when its configuration was edited (SIGHUP), or by a signal.
"""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from hub.app.network import build_network
from hub.app.releases import build_waiting_releases
from hub.app.service import Service, calls, run_coroutines
from hub.app.starting import configured
from hub.config.load import Loaded
from hub.config.state_dir import state_of
from hub.core.calls import Call
from hub.core.clock import SystemClock
from hub.core.disk.retry import once_the_disk_works
from hub.core.errors import NotReady
from hub.core.request_log import RequestLog
from hub.core.service_manager import ServiceManager
from hub.core.state_dir import StateDir
from hub.core.store import Store
from hub.core.text import phrase
from hub.devices.places import Places
from hub.devices.registry import Devices
from hub.history.latest import LatestValues
from hub.identity import keys
from hub.identity.enrolment import keys_of
from hub.identity.keys import page_password
from hub.operations.config_changes import LINGER_S
from hub.plugin_host.opening import installed_in
from hub.plugin_host.registry import Registry
from hub.rpc import control_socket
from hub.rpc.enrolment import EnrolmentCalls
from hub.web.services import PageServices
from hub.web.web_part import PageIdentity, Web

_log = logging.getLogger("hub")

NOT_ENROLLED = phrase(
    "hub-not-enrolled-yet",
    "this hub is not enrolled yet, and reads no device until it is: claim it by its label, then enrol it on its page, "
    "or with `ilot enroll TOKEN`",
)


class _Calls(dict[str, Call]):
    """Calls of a hub that waits: it has few, and says why of every other."""

    def get(self, name: str, default: Any = None) -> Call:
        async def refused(arguments: dict[str, Any]) -> Any:
            raise NotReady(NOT_ENROLLED)

        return super().get(name) or refused


class WaitingHub:
    """The parts of a hub that waits. `again` is set when the process is to begin anew."""

    def __init__(self, state: StateDir, hub_keys: keys.HubKeys, loaded: Loaded, problems: list[str], store: Store):
        config, clock = loaded.config, SystemClock()
        self._state, self._began, self._clock, self._problems = state, clock.monotonic(), clock, problems
        self.again = asyncio.Event()
        self.hub = hub_keys.hub_id
        self.web = Web(
            config.web,
            PageIdentity(self.hub, state.keys, page_password(hub_keys)),
            parts=PageServices(
                live=LatestValues(),
                devices=Devices(),
                places=Places(),
                metric=lambda device, key: None,
                zones={},
                title=config.hub.name,
                timezone=config.timezone,
                contact=config.web.contact if config.web is not None else "",
                enrolled=False,
            ),
            store=store,
            clock=clock,
            calls=self.calls,
            changed=lambda: None,
        )
        self.enrolling = EnrolmentCalls(
            state.path, hub_keys, store, clock, name=config.hub.name, proxy=config.link.proxy_url(),
            enrolled=self._go_on,
        )  # fmt: skip
        network = build_network(self.web, store, clock)
        self.services = [Service(self.web, "web"), Service(self.enrolling), Service(network, "network")]
        self.services.append(Service(build_waiting_releases(state, self.web, store, clock), "release"))

    def _go_on(self) -> None:
        """Begin anew as an enrolled hub, once whoever enrolled it has read the answer."""
        _log.info(phrase("hub-enrolled-goes-on", "{hub} is enrolled, and goes into service", hub=self.hub))
        asyncio.get_running_loop().call_later(LINGER_S, self.again.set)

    def calls(self) -> dict[str, Call]:
        return _Calls({**calls(self.services), "status": self._status})

    async def _status(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Answer {hub, enrolled, up_s, web, error, degraded}: what there is to tell of a hub that waits."""
        return {
            "hub": self.hub, "enrolled": False, "up_s": self._clock.monotonic() - self._began,
            "web": self.web.status(), "error": self.enrolling.error,
            "degraded": [NOT_ENROLLED, *self._problems, *self.web.complaints()],
        }  # fmt: skip

    async def run(self, manager: ServiceManager, ready: Callable[[dict[str, Any]], None]) -> bool:
        """Run until a signal, the enrolment or another configuration; returns whether to begin anew."""
        loop, stop = asyncio.get_running_loop(), asyncio.Event()
        loop.set_exception_handler(RequestLog(logging.getLogger("asyncio")).uncaught)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)

        def hang_up() -> None:
            manager.reloading()  # until the process that it becomes says that it is ready
            self.again.set()

        loop.add_signal_handler(signal.SIGHUP, hang_up)
        async with control_socket.serving(self._state.socket, self.calls()), asyncio.TaskGroup() as group:
            working = [group.create_task(work) for work in run_coroutines(self.services)]
            working.append(group.create_task(manager.feed()))
            await self.web.settled()
            ready({"hub": self.hub, "state_dir": str(self._state.path), "socket": str(self._state.socket),
                   "enrolled": False})  # fmt: skip
            _log.warning(NOT_ENROLLED)
            manager.ready(NOT_ENROLLED)
            ends = [group.create_task(one.wait()) for one in (stop, self.again)]
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            if stop.is_set():
                manager.stopping()
            for task in (*ends, *working):
                task.cancel()
        return not stop.is_set()


async def serve(
    settings: Any, registry: Registry, ready: Callable[[dict[str, Any]], None], manager: ServiceManager
) -> bool:
    """Run a hub that is not enrolled; returns whether the process is to begin anew. Its keys are made if there are
    none, so that it has its name and a store. Raises HubError when it cannot start."""
    state = StateDir(state_of(settings.config, settings.state_dir))
    with state.locked():
        await asyncio.to_thread(state.claim_format)
        models = installed_in(state, registry, cache=True).models
        hub_keys = await asyncio.to_thread(keys_of, state.path)
        started, problems, _ = await configured(settings.config, models, state, hub_keys)
        store = await once_the_disk_works(lambda: Store.open(state.store, hub_keys.store_key), SystemClock().sleep)
        try:
            return await WaitingHub(state, hub_keys, started, problems, store).run(manager, ready)
        finally:
            with suppress(asyncio.CancelledError):
                await store.close()

"""The pages as a part of the hub: started and stopped like any other, and never able to stop the hub."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import socket
import ssl
from collections.abc import Callable, Mapping
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from hub.config.parts.web import Web as Options
from hub.core.backoff import Backoff
from hub.core.calls import Call
from hub.core.clock import Clock
from hub.core.errors import ConfigError, HubError
from hub.core.store import Store
from hub.core.text import phrase, reason_of, system_error
from hub.page_kit.people.passwords import new_code
from hub.web.calls.accounts import AccountCalls
from hub.web.calls.device_pictures import DevicePictureCalls
from hub.web.calls.label import LabelCalls, LabelFacts
from hub.web.calls.pictures import PictureCalls
from hub.web.calls.tokens import TokenCalls
from hub.web.people import reset
from hub.web.people.break_glass import BreakGlassLog
from hub.web.pictures.of_devices import DevicePictures
from hub.web.pictures.table import PictureStore
from hub.web.services import PageServices, ServerAddress

if TYPE_CHECKING:
    from hub.web.lazy_server import LazyServer
    from hub.web.people.accounts import Accounts
    from hub.web.people.stores import People
    from hub.web.server import Server

HEALTHY_S = 60.0

_log = logging.getLogger("hub.web")


class PageIdentity(NamedTuple):
    """How the pages show browsers whose they are: the hub's id, the directory of their certificate and its key, and the
    password of that key, b"" where it is not encrypted."""

    hub: str
    directory: Path
    password: bytes = b""


class Web:
    """Part that serves the pages. `options` None: there are no pages. `calls` returns those of the control socket;
    `changed` is called when the store has changed: the next backup is due;
    `broken_glass(name, address)` when a local account signed in although the district has badges."""

    def __init__(
        self,
        options: Options | None,
        identity: PageIdentity,
        *,
        parts: PageServices,
        store: Store,
        clock: Clock,
        calls: Callable[[], Mapping[str, Call]],
        changed: Callable[[], None],
        broken_glass: Callable[[str, str], None] = lambda name, address: None,
    ) -> None:
        self.options, self._parts = options, parts
        self.hub, self._directory, self._password = identity
        self.store, self.clock, self._calls, self._changed = store, clock, calls, changed
        self.people: People | None = None
        self.opening: LazyServer | None = None
        self._tls: ssl.SSLContext | None = None
        self._broken = BreakGlassLog(clock.monotonic, self._has_badges, broken_glass)
        self.access_point: Callable[[], tuple[str, str, str] | None] = lambda: None
        """Name and key of the hub's own access point, and the address of the pages in it, while it is on."""
        self.fingerprint = self.error = self._reset_error = ""
        self._port = self.redirected_port = 0
        self._other, self._settled = asyncio.Event(), asyncio.Event()

    async def settled(self) -> None:
        """Wait until the pages are served, or were found not to be: there are none, or their first attempt failed."""
        if self.options is not None:
            await self._settled.wait()

    def _has_badges(self) -> bool:
        return self._parts.badges is not None and self._parts.badges.known

    async def reconfigure(self, options: Options | None, parts: PageServices) -> None:
        """Apply new options. Sessions go on; the address may change."""
        same = options == self.options
        self.options, self._parts = options, parts
        if not same:
            self.error = ""
            self._other.set()
        elif (
            self.opening is not None and self.opening.opened is not None
        ):  # wait, so that the client that changed the options reads the answer
            self.opening.opened.site.set_services(parts)

    async def run(self) -> None:
        """Serve until cancelled. An error is logged once, and retried."""
        backoff = Backoff()
        while True:
            if self.options is None:
                self._other.clear()
                await self._other.wait()
                continue
            began = self.clock.monotonic()
            try:
                await self._serve(self.options)
                backoff.reset()
                continue
            except (HubError, OSError) as error:
                self._say(reason_of(error))
            except Exception as error:  # a bug of the pages must not stop the hub
                said = phrase(
                    "unexpected-error", "{kind}: {reason}", kind=type(error).__name__, reason=reason_of(error)
                )
                if said != self.error:
                    _log.exception(phrase("pages-failed", "the pages failed"))
                self.error = said
            self._settled.set()
            if self.clock.monotonic() - began > HEALTHY_S:
                backoff.reset()
            await self._pause(backoff.next())

    async def _pause(self, seconds: float) -> None:
        """Sleep until the time-out or the next configuration."""
        async with asyncio.TaskGroup() as race:
            alarm = race.create_task(self._alarm(seconds))
            await self._other.wait()
            alarm.cancel()

    async def _alarm(self, seconds: float) -> None:
        await self.clock.sleep(seconds)
        self._other.set()

    def names(self) -> list[str]:
        """Return addresses and names under which browsers call these pages; [] while they are not served, or where the
        district is not to certify them."""
        options = self.options
        if options is None or self.opening is None or not options.district_certificate:
            return []
        address = options.address if options.address not in ("0.0.0.0", "::") else outgoing_address()  # noqa: S104
        if ip_address(address).is_loopback and not options.hosts:  # reachable from this machine only
            return []
        return [address, *options.hosts]

    async def recertify(self) -> None:
        """Use another certificate of the directory for new connections; nobody is signed out."""
        from hub.web.sockets import certificate

        if self._tls is not None:
            self.fingerprint = await asyncio.to_thread(
                partial(certificate.refresh, password=self._password), self._tls, self._directory, self.clock.date()
            )

    def _say(self, error: str) -> None:
        if error != self.error:
            _log.error(
                phrase("pages-tried-again", "the pages are not served, it is tried again: {reason}", reason=error)
            )
        self.error = error

    async def _serve(self, options: Options) -> None:
        """Serve until other options come."""
        self._other.clear()
        from hub.sdk.connections import Connections
        from hub.web.lazy_server import LazyServer
        from hub.web.people.stores import open_people
        from hub.web.sockets import redirect

        people = await open_people(
            self.store,
            self.clock,
            self._broken,
            changed=self._changed,
            former=self.people,
            claimed=lambda: asyncio.to_thread(reset.remove_code, options.reset_directory),
        )
        place = await self._placed(options)

        def build(port: int) -> Server:
            from hub.web.server import Server  # this import is what `LazyServer` defers

            return Server(
                place=place,
                calls=self._calls(),
                parts=self._parts,
                clock=self.clock,
                audit=self.store.audit,
                people=people,
                connections=connections,
                port=port,
            )

        opening = LazyServer(build)
        connections = Connections(opening.protocol, place.tls)
        self.people = people
        try:
            async with contextlib.AsyncExitStack() as stack:
                self._port = opening.port = await stack.enter_async_context(
                    connections.serving(options.address, options.port)
                )
                if options.redirect_port is not None:
                    way = redirect.serving(options.address, options.redirect_port, place.names, self._port)
                    self.redirected_port = await stack.enter_async_context(way)
                await self._reset_by_file(people.accounts, options.reset_directory)
                self.opening = opening
                self._settled.set()
                if self.error:
                    _log.info(phrase("pages-served-again", "the pages are served again"))
                self.error = ""
                _log.info(phrase("pages-served-port", "the pages are served on port {port}", port=self._port))
                async with asyncio.TaskGroup() as group:
                    beside = [group.create_task(opening.run()), group.create_task(people.kept.keep())]
                    await self._other.wait()
                    for task in beside:
                        task.cancel()
        finally:
            self.opening = None
            await people.kept.save(whole=True)

    async def _placed(self, options: Options) -> ServerAddress:
        """Return the server's address, with its certificate."""
        from hub.page_kit.request.guard import names_of_this_machine
        from hub.web.sockets import certificate

        date = self.clock.date() if options.district_certificate else math.inf
        tls, self.fingerprint = await asyncio.to_thread(
            partial(certificate.prepare, password=self._password), self._directory, self.hub, options.hosts, date
        )
        self._tls, names = tls, names_of_this_machine(options.hosts)
        return ServerAddress(self.hub, options.address, options.port, names, tls, lambda: self.fingerprint)

    async def _reset_by_file(self, accounts: Accounts, directory: Path | None) -> None:
        """Handle a request of `hub.web.people.reset`. A claim code that cannot be shown is not made."""
        if directory is None or not await asyncio.to_thread(reset.is_requested, directory):
            return
        code = new_code()
        try:
            await asyncio.to_thread(reset.write_code, directory, code, self.url())
        except OSError as error:
            self._reset_error = phrase(
                "claim-code-not-written",
                "a claim code is asked for in {folder} and cannot be written there: {reason}",
                folder=directory,
                reason=system_error(error),
            )
        else:
            await accounts.new_claim("card", code)
            self._reset_error = await asyncio.to_thread(reset.remove_request, directory)
            _log.warning(
                phrase("new-claim-code", "a new claim code was made: somebody asked for it by a file on the card")
            )
        if self._reset_error:
            _log.error("%s", self._reset_error)

    def trouble(self) -> str:
        """Return why the pages are not served; "" when they are, or shall not be."""
        return (
            ""
            if self.options is None or self.opening is not None
            else self.error or phrase("pages-starting", "they are starting")
        )

    def refused(self) -> Mapping[tuple[str, str], int]:
        """Return the refusals since the pages are served, by reason and address, which is "" for those beyond what is
        counted apart."""
        server = self.opening.opened if self.opening is not None else None
        return server.site.refused if server is not None else {}

    def status(self) -> dict[str, Any]:
        """Return the state for `ilot status`."""
        if self.options is None:
            return {"served": False, "error": ""}
        people = self.people
        return {
            "served": self.opening is not None, "url": self.url(), "fingerprint": self.fingerprint,
            "claimed": people.accounts.claimed if people else None, "error": self.error,
        }  # fmt: skip

    def complaints(self) -> list[str]:
        """Return sentences about what somebody should look at."""
        said = (
            [phrase("pages-not-served", "the pages are not served: {reason}", reason=self.error)] if self.error else []
        )
        return [*said, *([self._reset_error] if self._reset_error else []), *self._broken.complaints()]

    def calls(self) -> dict[str, Call]:
        return {
            **AccountCalls(self.served).calls(), **TokenCalls(self.served).calls(),
            **LabelCalls(self.served, self._facts).calls(),
            **PictureCalls(PictureStore(self.store, self.clock.now), self._sites).calls(),
            **DevicePictureCalls(
                DevicePictures(self.store, self.clock.now), lambda one: self._parts.devices.get(one) is not None
            ).calls(),
        }  # fmt: skip

    def served(self) -> People:
        """Return the accounts. Raises ConfigError while the pages are not served."""
        if self.options is None:
            raise ConfigError(
                phrase("hub-has-no", "this hub has no pages: `web: {{}}` in its configuration gives it some")
            )
        if self.people is None:
            raise ConfigError(
                phrase(
                    "pages-not-served-yet",
                    "the pages are not served yet: {error}",
                    error=self.error or phrase("pages-starting", "they are starting"),
                )
            )
        return self.people

    def _facts(self) -> LabelFacts:
        wifi = self.options.wifi if self.options is not None else None
        named = (wifi.name, wifi.key.get_secret_value()) if wifi is not None else None
        if named is None and (own := self.access_point()) is not None:
            return LabelFacts(self.hub, own[2], self.fingerprint, own[:2])
        return LabelFacts(self.hub, self.url(), self.fingerprint, named)

    def _sites(self) -> frozenset[str]:
        return frozenset({*self._parts.sites, *(site for _, site in self._parts.zones.values())})

    def url(self) -> str:
        """Return the address of the pages."""
        address = self.options.address if self.options is not None else ""
        if address in ("0.0.0.0", "::"):  # noqa: S104 - compared, not listened on
            address = outgoing_address()
        return f"https://{f'[{address}]' if ':' in address else address}:{self._port}/"


def outgoing_address() -> str:
    """Return the address of this machine on its network, without sending a packet."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # RFC 5737: nobody's
            return str(probe.getsockname()[0])
        except OSError:
            return "127.0.0.1"

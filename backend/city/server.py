"""The rooms of the city's view, and the application that answers with them.

    route(router, city)    adds a room's routes; called once, before the first request
    work(city)             a task beside, which ends by being cancelled; of several API processes one runs it. Where it
                           raises, it is begun again a little later

A room that comes adds its import and its line to ROOMS.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from aiohttp import web

from backend.api.requests import MAX_FORM, Handler, answer, refusal
from backend.city.city import CITY, City
from backend.city.crisis import routes as crisis
from backend.city.dispatch import routes as dispatch
from backend.city.energy import routes as energy
from backend.city.open_api import routes as open_api
from backend.city.pages import routes as pages
from backend.city.people import guards
from backend.city.people import routes as people
from backend.city.publication import routes as publication
from backend.city.register import routes as register
from hub.core.errors import HubError
from hub.core.request_log import RequestLog
from hub.core.text import phrase, reason_of

log = logging.getLogger(__name__)

OPERATOR = "/v1/"
"""Paths of the operator's API, which answers its own errors."""
AGAIN_S = 5.0
"""Seconds after which the work of a room is begun again when it failed."""


class Room(NamedTuple):
    """A part of the city's view."""

    name: str
    route: Callable[[web.UrlDispatcher, City], None]
    work: Callable[[City], Awaitable[None]] | None = None


ROOMS: tuple[Room, ...] = (
    Room("register", register.route, register.work),
    Room("people", people.route, people.work),
    Room("pages", pages.route),
    Room("open_api", open_api.route, open_api.work),
    Room("publication", publication.route, publication.work),
    Room("dispatch", dispatch.route, dispatch.work),
    Room("crisis", crisis.route, crisis.work),
    Room("energy", energy.route, energy.work),
)


def application(city: City, faults: RequestLog, rooms: tuple[Room, ...] = ROOMS) -> web.Application:
    """Return an application of the city's pages and open APIs alone."""
    app = web.Application(client_max_size=MAX_FORM)
    mount(app, city, faults, rooms)
    return app


def mount(app: web.Application, city: City, faults: RequestLog, rooms: tuple[Room, ...] = ROOMS) -> None:
    """Add the city's pages and open APIs to an application, beside the operator's API under `/v1`. Faults of this
    program are told to `faults`."""
    app[CITY] = city
    app.middlewares.append(_errors(city, faults))
    guards.install(app, city)
    for room in rooms:
        room.route(app.router, city)

    async def stop(app: web.Application) -> None:
        await pages.stop(city)

    app.on_shutdown.append(stop)


async def work(city: City, rooms: tuple[Room, ...] = ROOMS) -> None:
    """Do what the rooms do beside requests, until cancelled."""
    async with asyncio.TaskGroup() as tasks:
        for room in rooms:
            if room.work is not None:
                tasks.create_task(_keep_working(room.name, room.work, city))


async def _keep_working(name: str, run: Callable[[City], Awaitable[None]], city: City) -> None:
    while True:
        try:
            async with city.alone(f"work-{name}"):
                await run(city)
                return
        except HubError as error:
            log.warning(
                phrase("city-work-failed", "{room} goes on in a moment: {reason}", room=name, reason=reason_of(error))
            )
        except Exception:
            log.exception("fault in the work of %s", name)
        await asyncio.sleep(AGAIN_S)


def _errors(city: City, faults: RequestLog) -> Callable[..., Awaitable[web.StreamResponse]]:
    """Return the middleware that answers every error: as a page to whoever reads pages, else as JSON."""

    @web.middleware
    async def answering(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path.startswith(OPERATOR):
            return await handler(request)
        try:
            if _of_ingest(request):
                raise web.HTTPNotFound
            return await handler(request)
        except (ConnectionError, asyncio.CancelledError):
            raise
        except web.HTTPException as error:
            if error.status < 400:
                return web.Response(status=error.status, headers=error.headers, body=error.body)
            return await _answered(city, request, error)
        except Exception as error:
            if refusal(error) is None:
                faults.fault(error)
            return await _answered(city, request, error)

    return answering


async def _answered(city: City, request: web.Request, error: Exception) -> web.StreamResponse:
    fault = phrase("backend-fault", "a fault in this backend; its log says more")
    said, status, headers = refusal(error) or (fault, 500, None)
    if city.error_page is not None and "text/html" in request.headers.get("Accept", ""):
        response = await city.error_page(request, status, said)
        response.headers.update(headers or {})
        return response
    return answer({"error": said}, status, headers)


def _of_ingest(request: web.Request) -> bool:
    """Return whether a request was passed on by the port of the hubs, where nobody signs in."""
    own = None if request.transport is None else request.transport.get_extra_info("socket")
    return own is not None and own.family == socket.AF_UNIX

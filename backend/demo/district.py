"""The simulated town as a whole: an owner, a backend in processes of its own, hubs, people, and the end of it all.

Everything is done as an operator does it: the register and the first account by what the commands do, all else on the
pages, over HTTPS, by people's own phones. Only the hubs' devices are not there.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
from aiohttp import web

from backend.city.dispatch import plan_file
from backend.city.people import accounts
from backend.city.people.viewer import CLASSES, Role, Scope
from backend.city.register import files, importing
from backend.demo import open_data, town
from backend.demo.hubs import SimulatedHub
from backend.demo.phone import Fields, Phone
from backend.demo.story import Story, plan
from backend.hubs.registry import Newcomer, Registry
from backend.owner import directory as owners
from backend.storage.city.database import open_city
from backend.storage.opening import open_storage
from hub.core import password_hash, tls
from hub.core.disk.atomic_files import write_atomically
from hub.core.errors import HubError, NotReady
from hub.core.text import Phrase, phrase, reason_of
from hub.page_kit.people.passwords import new_code, normalised_code

PAST_S, PAST_STEP_S = 24 * 3600.0, 1200.0
"""How much of the past the hubs tell when they begin, and in what steps."""
EVERY_S = 5.0
STATE_EVERY_S = 60.0
READY_S, END_S = 90.0, 30.0
_WITH_A_SERVICE = (Role.HEAD, Role.CREW)

Say = Callable[[Phrase], None]


class Account(NamedTuple):
    """An account of the town."""

    name: str
    role: Role
    password: str


class Town(NamedTuple):
    """A running town."""

    url: str
    accounts: tuple[Account, ...]
    hubs: dict[str, SimulatedHub]
    story: Story
    directory: Path


@asynccontextmanager
async def running(root: Path, say: Say, pace: float = 1.0) -> AsyncIterator[Town]:
    """Run a town below `root` until the block is left; its story goes `pace` times as fast. Raises HubError."""
    directory = root / "owner"
    owners.init(directory, owner=town.NAME)
    settings = json.dumps({"webhook": {"secret": secrets.token_hex(16)}})
    write_atomically(directory / "channels.yaml", settings.encode())
    say(phrase("demo-district-begins", "starting the backend of {town}", town=town.NAME))
    process, facts = await _backend(directory, root / "backend.log")
    try:
        messages: dict[str, str] = {}
        async with _phones(say, messages) as webhook, _session() as session:
            hubs = await _enrol(directory, facts["url"], root, session)
            say(phrase("demo-district-hubs", "{count} hubs enrolled; they tell of the last day", count=len(hubs)))
            code = await asyncio.to_thread(_settle, directory, hubs)
            async with AsyncExitStack() as stack:
                phones = await _people(stack, facts["api"], directory, code)
                people = tuple(Account(one.name, role, one.password) for role, one in phones.items())
                operator, crew = phones[Role.OPERATOR], phones[Role.CREW]
                file = plan_file.written(plan(webhook)).encode()
                await operator.press("/dispatch-routes", "import", file=("plan.yaml", file))
                await _tell_of_the_past(hubs)
                story = Story({one.site.id: one for one in hubs}, crew, operator, messages, say, pace)
                working = [
                    asyncio.create_task(_report(hubs, story, say)),
                    asyncio.create_task(_publish(phones[Role.DPO], phones[Role.ADMIN], facts["api"], say)),
                ]
                try:
                    yield Town(facts["api"], people, {one.hub: one for one in hubs}, story, directory)
                finally:
                    for task in working:
                        task.cancel()
                    await asyncio.wait(working)
    finally:
        await _end(process)


async def _backend(directory: Path, log: Path) -> tuple[subprocess.Popen[bytes], dict[str, Any]]:
    """Start `ilot backend run`; return its process and what it says when it works."""
    words = ("backend", "run", str(directory), "--port", "0", "--api", "127.0.0.1:0", "--json")
    with log.open("ab") as errors:
        process = subprocess.Popen(  # noqa: ASYNC220 it starts in a moment
            [sys.executable, "-m", "hub", *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors,
            env={**os.environ, "ILOT_DATABASE": ""}, start_new_session=True,
        )  # fmt: skip
    try:
        async with asyncio.timeout(READY_S):
            line = await asyncio.to_thread(process.stdout.readline)  # type: ignore[union-attr]
        return process, dict(json.loads(line))
    except (TimeoutError, ValueError) as error:
        await _end(process)
        raise NotReady(phrase("demo-district-no-backend", "the backend does not start: see {log}", log=log)) from error


async def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            await asyncio.to_thread(process.wait, END_S)
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    if process.stdout is not None:
        process.stdout.close()


async def _enrol(directory: Path, url: str, root: Path, session: aiohttp.ClientSession) -> list[SimulatedHub]:
    sites, owner = town.sites(), owners.load(directory)
    storage = open_storage(owner.database)
    try:
        newcomers = [Newcomer(one.name, one.tags) for one in sites]
        tokens = Registry(storage).issue_many(
            newcomers, url=url, root=owner.settings.root, now=time.time(), lifetime=3600.0
        )
    finally:
        storage.close()
    (root / "hubs").mkdir()
    return [
        await SimulatedHub.enrolled(site, url, str(token), root / "hubs" / site.id, session)
        for site, token in zip(sites, tokens, strict=True)
    ]


def _settle(directory: Path, hubs: list[SimulatedHub]) -> str:
    """Import what the town says of itself, and add the first administrator; return the code for that one."""
    now, by_site, code = time.time(), {one.site.id: one.hub for one in hubs}, new_code()
    database = open_city(directory, directory / "backend.db")
    try:
        with database.transaction() as t:
            for text in (town.services_csv(), town.sectors_geojson(), town.sites_csv(), town.things_csv(by_site)):
                problems = importing.apply(t, files.parse(text.encode()), by_site.values(), now)
                if problems:
                    raise HubError(problems[0].said)
            hashed = password_hash.make(normalised_code(code))
            accounts.add(t, "demo", Role.ADMIN.value, Role.ADMIN, Scope(classes=CLASSES), hashed, now)
    finally:
        database.close()
    return code


async def _people(stack: AsyncExitStack, url: str, directory: Path, code: str) -> dict[Role, Phone]:
    """Let the administrator add an account of each role, and each person choose a password. Raises NotReady."""
    trust = tls.client(file=directory / "ca.pem")
    phones = {role: await stack.enter_async_context(Phone(url, trust, _name_of(role), new_code())) for role in Role}
    admin = phones[Role.ADMIN]
    await admin.choose_password(code)
    for role, phone in phones.items():
        if phone is not admin:
            page = await admin.send("/people", {"name": phone.name, "role": role.value, **_scope_of(role)})
            await phone.choose_password(page.code)
    return phones


def _name_of(role: Role) -> str:
    return "equipe-proprete" if role is Role.CREW else role.value


def _scope_of(role: Role) -> Fields:
    """Return the fields of a role's scope."""
    if role in _WITH_A_SERVICE:
        return {"services": "proprete"}
    if role is Role.PROVIDER:
        return {"provider": town.PROVIDER}
    return {"classes": sorted(CLASSES)} if role in (Role.OPERATOR, Role.DPO) else {}


async def _tell_of_the_past(hubs: list[SimulatedHub]) -> None:
    now = time.time()
    moments = [now - PAST_S + n * PAST_STEP_S for n in range(int(PAST_S / PAST_STEP_S))]
    for one in hubs:
        await one.report([row for at in moments for row in town.rows(one.site, at, {})])
        await one.say_alive()


async def _publish(officer: Phone, head: Phone, url: str, say: Say) -> None:
    count = await open_data.publish(officer, head)
    say(phrase("demo-published", "{count} data sets are public: {url}", count=count, url=f"{url}/data"))


async def _report(hubs: list[SimulatedHub], story: Story, say: Say) -> None:
    """Have the hubs report, answer and tell the story, until cancelled. One that cannot now does so in the next
    round."""
    trouble, alive = "", time.monotonic()
    while True:
        began = time.monotonic()
        try:
            await story.step()
            for one in hubs:
                if not one.silent:
                    await one.report(list(town.rows(one.site, time.time(), story.changed)))
                    await one.answer()
                    if began >= alive + STATE_EVERY_S:
                        await one.say_alive()
            trouble = ""
        except (HubError, aiohttp.ClientError, OSError) as error:
            if str(error) != trouble:
                trouble = str(error)
                say(phrase("demo-district-trouble", "the hubs are not heard: {reason}", reason=reason_of(error)))
        if began >= alive + STATE_EVERY_S:
            alive = began
        await asyncio.sleep(max(0.5, began + EVERY_S - time.monotonic()))


@asynccontextmanager
async def _session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as session:
        yield session


@asynccontextmanager
async def _phones(say: Say, messages: dict[str, str]) -> AsyncIterator[str]:
    """Listen as the crews' phones; say what each is told, and keep the link of each alert."""

    async def told(request: web.Request) -> web.Response:
        service = request.match_info["service"]
        body = await request.json()
        messages[str(body["alert"])] = str(body["link"])
        name, said = town.SERVICES.get(service, service), str(body["sentence"])[:120]
        say(phrase("demo-district-told", "phone of {service}: {text}", service=name, text=said))
        return web.Response(status=204)

    app = web.Application()
    app.router.add_post("/{service}", told)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()

"""A restart of the hub signs nobody out, and revives nobody who was signed out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from hub.core.errors import StorageError
from hub.core.store import Store, restore
from hub.page_kit.people.sessions import COOKIE, IDLE_S, LONGEST_S
from hub.protocol.documents.badges import Badge, Revoked, make_badge, make_revoked
from hub.sdk.testing import ManualClock
from hub.web.people.break_glass import BreakGlassLog
from hub.web.people.session_table import SEEN_S, STEP_S
from hub.web.people.stores import People, open_people
from tests.hub.protocol.documents.test_badges import KEY

from .test_access import Door, badge, show
from .web_kit import NAME, PASSWORD, Browser, Pages

STORE_KEY = b"k" * 32
OTHER_PASSWORD = "un tout autre mot de passe"


class Machine:
    """A hub's store and clock, over restarts of the hub and of the machine."""

    def __init__(self, path: Path) -> None:
        self.file, self.clock = path / "store.db", ManualClock()
        self.badges = True
        self.told: list[str] = []

    @asynccontextmanager
    async def hub(self, *, killed: bool = False) -> AsyncIterator[People]:
        """A process of the hub; `killed`: it had no time to write anything at its end."""
        store = await Store.open(self.file, STORE_KEY)
        broken = BreakGlassLog(self.clock.monotonic, lambda: self.badges, lambda name, address: self.told.append(name))

        async def claimed() -> None:
            return

        people = await open_people(store, self.clock, broken, changed=lambda: None, claimed=claimed)
        if people.accounts.get(NAME) is None:
            await people.accounts.put(NAME, PASSWORD, "administrateur", "test")
        try:
            yield people
            if not killed:
                await people.kept.save(whole=True)
        finally:
            await store.close()

    async def reboot(self, seconds: float, *, sure: bool = True) -> None:
        """Switch the machine off for some seconds."""
        await self.clock.advance(seconds)
        self.clock._monotonic = 5.0
        self.clock.boot = sha256(self.clock.boot).digest()[:16]
        self.clock.set(self.clock.now(), sure=sure)


async def signed_in(people: People, name: str = NAME, given: Badge | None = None, *, broken: bool = False) -> str:
    account = people.accounts.get(name)
    token, _ = people.sessions.begin(name, given, mark=account.mark if account else b"", broken=broken)
    await people.kept.save()
    return token


async def test_a_session_goes_on_after_a_restart_with_its_form_token_and_what_is_left_of_it(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    async with machine.hub() as people:
        token = await signed_in(people)
        await machine.clock.advance(1000)
        session = people.sessions.get(token)
        assert session is not None
        csrf = session.csrf
        await machine.clock.advance(100)
    await machine.clock.advance(200)
    async with machine.hub() as people:
        session = people.sessions.get(token, touch=False)
        assert session is not None
        assert session.csrf == csrf != ""
        assert people.sessions.left(session) == (IDLE_S - 300, LONGEST_S - 1300)
        assert people.sessions.get(token + "x") is None


@pytest.mark.parametrize(("idle", "goes_on"), [(IDLE_S - 1, True), (IDLE_S + 1, False)])
@pytest.mark.parametrize("rebooted", [False, True])
async def test_the_time_that_a_hub_was_away_counts_as_time_without_activity(
    tmp_path: Path, idle: float, goes_on: bool, rebooted: bool
) -> None:
    machine = Machine(tmp_path)
    async with machine.hub() as people:
        token = await signed_in(people)
    await (machine.reboot(idle) if rebooted else machine.clock.advance(idle))
    async with machine.hub() as people:
        assert (people.sessions.get(token) is not None) is goes_on
        rows = await people.kept._store.call(lambda db: db.execute("SELECT count(*) FROM web_sessions").get)
        assert rows == int(goes_on), "one that is over is no longer on the disk"


@pytest.mark.parametrize("rebooted", [False, True])
async def test_no_number_of_restarts_makes_a_session_longer_than_half_a_day(tmp_path: Path, rebooted: bool) -> None:
    machine = Machine(tmp_path)
    async with machine.hub() as people:
        token = await signed_in(people)
    for _ in range(14):
        await (machine.reboot(3000) if rebooted else machine.clock.advance(3000))
        async with machine.hub() as people:
            assert people.sessions.get(token) is not None
    await (machine.reboot(1300) if rebooted else machine.clock.advance(1300))
    async with machine.hub() as people:
        assert people.sessions.get(token) is None


@pytest.mark.parametrize("step", [-86_400.0, -30.0, 86_400.0])
async def test_a_step_of_the_clock_moves_no_session_over_a_restart_of_the_hub(tmp_path: Path, step: float) -> None:
    machine = Machine(tmp_path)
    async with machine.hub() as people:
        token = await signed_in(people)
    machine.clock.set(machine.clock.now() + step)
    await machine.clock.advance(600)
    async with machine.hub() as people:
        session = people.sessions.get(token, touch=False)
        assert session is not None
        assert people.sessions.left(session)[0] == IDLE_S - 600


@pytest.mark.parametrize("step", [-86_400.0, 86_400.0])
async def test_a_step_of_the_clock_while_the_hub_runs_is_known_after_the_machine_was_started_again(
    tmp_path: Path, step: float
) -> None:
    machine = Machine(tmp_path)
    async with machine.hub(killed=True) as people:
        token = await signed_in(people)
        keeping = asyncio.create_task(people.kept.keep())
        machine.clock.set(machine.clock.now() + step)
        await machine.clock.advance(STEP_S + 1)
        await people.kept.save()
        keeping.cancel()
    await machine.reboot(500)
    async with machine.hub() as people:
        session = people.sessions.get(token, touch=False)
        assert session is not None
        assert people.sessions.left(session)[0] == pytest.approx(IDLE_S - 561)


async def test_a_clock_that_went_backwards_over_a_reboot_ends_a_session(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    async with machine.hub() as people:
        token = await signed_in(people)
    await machine.reboot(10)
    machine.clock.set(machine.clock.now() - 100)
    async with machine.hub() as people:
        assert people.sessions.get(token) is None


async def test_a_session_waits_for_the_time_after_a_reboot_and_ends_if_it_was_never_known(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    async with machine.hub() as people:
        token = await signed_in(people)
        gone = await signed_in(people)
    await machine.reboot(100, sure=False)
    async with machine.hub(killed=True) as people:
        assert people.sessions.get(token) is None
        people.sessions.end(gone)  # its browser signed in anew
        undated = await signed_in(people)
        keeping = asyncio.create_task(people.kept.keep())
        await machine.clock.advance(20)
        assert people.sessions.get(token) is None
        machine.clock.set(machine.clock.now(), sure=True)
        await machine.clock.advance(10)
        session = people.sessions.get(token, touch=False)
        assert session is not None
        assert people.sessions.left(session)[0] == pytest.approx(IDLE_S - 130)
        assert people.sessions.get(gone) is None
        keeping.cancel()
    async with machine.hub(killed=True) as people:
        machine.clock.set(machine.clock.now(), sure=False)
    async with machine.hub() as people:
        assert people.sessions.get(undated, touch=False) is not None, "the same boot needs no date"


async def test_a_killed_hub_ends_a_session_at_most_some_minutes_early_and_never_late(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    async with machine.hub(killed=True) as people:
        token = await signed_in(people)
        for _ in range(20):
            await machine.clock.advance(60)
            assert people.sessions.get(token) is not None
            await people.kept.save()
    async with machine.hub() as people:
        session = people.sessions.get(token, touch=False)
        assert session is not None
        left = people.sessions.left(session)[0]
        assert IDLE_S - SEEN_S <= left <= IDLE_S


@pytest.mark.parametrize("deed", ["sign-out", "password", "removed", "made again", "reset"])
async def test_what_ended_before_a_kill_stays_ended(tmp_path: Path, deed: str) -> None:
    machine = Machine(tmp_path)
    async with machine.hub(killed=True) as people:
        await people.accounts.put("dominique", PASSWORD, "administrateur", "test")
        token, kept = await signed_in(people), await signed_in(people, "dominique")
        if deed == "sign-out":
            people.sessions.end(token)
            await people.kept.save()
        elif deed == "password":  # killed after the account was written, before its sessions were
            await people.accounts.put(NAME, OTHER_PASSWORD, "lecteur", "test")
        elif deed == "reset":
            people.sessions.end_all(NAME)
            await people.kept.save()
        else:
            await people.accounts.remove(NAME, "test")
            if deed == "made again":
                await people.accounts.put(NAME, PASSWORD, "administrateur", "test")
    async with machine.hub() as people:
        assert people.sessions.get(token) is None
        assert people.sessions.get(kept) is not None


async def test_who_changes_a_password_goes_on_after_a_kill_alone(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    async with machine.hub(killed=True) as people:
        token, other = await signed_in(people), await signed_in(people)
        account = await people.accounts.change(NAME, PASSWORD, OTHER_PASSWORD, "test")
        people.sessions.end_all(NAME, but=token, mark=account.mark)
        await people.kept.save()
    async with machine.hub() as people:
        assert people.sessions.get(token) is not None
        assert people.sessions.get(other) is None


async def test_a_restored_backup_revives_no_session_and_ends_those_of_the_day(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    async with machine.hub() as people:
        token = await signed_in(people)
        image = await people.kept._store.image()
    assert sha256(token.encode()).digest() not in image
    machine.file.unlink()
    restore(machine.file, STORE_KEY, image, sent="sent/", jump=1)
    async with machine.hub() as people:
        assert people.accounts.get(NAME) is not None
        assert people.sessions.get(token) is None


async def test_a_stolen_store_opens_no_page_even_with_its_key(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    async with machine.hub() as people:
        token = await signed_in(people)
        csrf = people.sessions.csrf(token)
        rows = await people.kept._store.call(lambda db: list(db.execute("SELECT * FROM web_sessions")))
        said = repr(rows).encode() + b"".join(part for row in rows for part in row if isinstance(part, bytes))
        for secret in (token, csrf):
            assert secret.encode() not in said
        for row in rows:
            assert people.sessions.get(row[0].hex()) is None
            assert people.sessions.get(row[0].decode("latin-1")) is None
    held = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert sha256(token.encode()).digest() not in held, "pages of the file are encrypted"
    with pytest.raises(StorageError):
        await Store.open(machine.file, b"x" * 32)


async def test_a_use_of_a_local_account_is_reported_after_a_restart_as_long_as_it_goes_on(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    async with machine.hub() as people:
        await signed_in(people, broken=True)
        await people.accounts.put("dominique", PASSWORD, "lecteur", "test")
        await signed_in(people, "dominique")
    async with machine.hub() as people:
        (said,) = people.broken.complaints()
        assert NAME in said
        assert "dominique" not in said
    assert machine.told == [], "it was told when it happened"


async def test_a_session_that_the_disk_refused_is_written_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    machine = Machine(tmp_path)
    async with machine.hub(killed=True) as people:

        async def refuses(work: Any) -> None:
            raise StorageError("no room")

        monkeypatch.setattr(people.kept._store, "call", refuses)
        token = await signed_in(people)
        await people.kept.save()
        assert people.sessions.get(token) is not None
        assert caplog.text.count("no room") == 1
        monkeypatch.undo()
        await people.kept.save()
    async with machine.hub() as people:
        assert people.sessions.get(token) is not None


def cookie_of(browser: Browser) -> str:
    return next(one.value for one in browser.session.cookie_jar if one.key == COOKIE)


@pytest.mark.real("network")
async def test_a_browser_goes_on_after_the_pages_were_served_anew(tmp_path: Path) -> None:
    async with Pages(tmp_path) as pages:
        first = await pages.claimed()
        cookie = cookie_of(first)
        left = pages.browser()
        assert (await left.post("/signin", "/signin", name=NAME, password=PASSWORD))[0] == 303
        ended = cookie_of(left)
        assert (await left.post("/signout", "/account"))[0] == 303
    async with Pages(tmp_path) as pages:
        browser = pages.browser()
        assert (
            await browser.session.get(f"{pages.url}/devices", headers={"Cookie": f"{COOKIE}={cookie}"})
        ).status == 200
        assert (
            await browser.session.get(f"{pages.url}/devices", headers={"Cookie": f"{COOKIE}={ended}"})
        ).status == 401


@pytest.mark.real("network")
async def test_a_badge_that_was_withdrawn_while_the_hub_was_away_opens_nothing(tmp_path: Path) -> None:
    async with Door(tmp_path) as pages:
        await pages.claimed()
        browser = pages.browser()
        assert (await show(browser, make_badge(badge(), KEY)))[0] == 303
        cookie = cookie_of(browser)
    async with Door(tmp_path) as pages:
        browser = pages.browser()
        head = {"Cookie": f"{COOKIE}={cookie}"}
        answer = await browser.session.get(f"{pages.url}/api/1/session", headers=head)
        assert (answer.status, (await answer.json())["role"]) == (200, "technicien")
        revoked = Revoked(number=1, issued=int(pages.web.clock.now()), ids=(b"abcdefgh",))
        await pages.badging.keep(make_revoked(revoked, KEY), "backend")
        assert (await browser.session.get(f"{pages.url}/api/1/session", headers=head)).status == 401
        await pages.site.kept_sessions.save()
        rows = await pages.store.call(lambda db: list(db.execute("SELECT name FROM web_sessions WHERE badge != x''")))
        assert rows == []

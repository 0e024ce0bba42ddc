"""Changes of accounts that meet one another: each is judged by what the one before has left."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hub.core.store import Store
from hub.page_kit.people.passwords import Passwords
from hub.sdk.testing import ManualClock
from hub.web.people.accounts import Accounts
from hub.web.people.tokens import Tokens
from hub.web.refusals import Refused

from .web_kit import NAME, PASSWORD, Pages

OTHER = "une autre phrase bien longue"


@pytest.fixture
async def accounts(tmp_path: Path) -> AsyncIterator[Accounts]:
    store = await Store.open(tmp_path / "store.db", b"k" * 32)
    made = Accounts(store, ManualClock(), Passwords())
    await made.load()
    yield made
    await store.close()


async def test_two_administrators_who_remove_each_other_at_once_leave_one(accounts: Accounts) -> None:
    await accounts.put("anne", PASSWORD, "administrateur", "test")
    await accounts.put("paul", PASSWORD, "administrateur", "test")
    ways = accounts.remove("anne", "web:paul"), accounts.remove("paul", "web:anne")
    said = await asyncio.gather(*ways, return_exceptions=True)
    assert [one.key for one in said if isinstance(one, Refused)] == ["last-administrator"]
    assert accounts.claimed


async def test_two_administrators_who_take_each_others_role_at_once_leave_one(accounts: Accounts) -> None:
    await accounts.put("anne", PASSWORD, "administrateur", "test")
    await accounts.put("paul", PASSWORD, "administrateur", "test")
    ways = [accounts.put(name, OTHER, "lecteur", "test") for name in ("anne", "paul")]
    said = await asyncio.gather(*ways, return_exceptions=True)
    assert [one.key for one in said if isinstance(one, Refused)] == ["last-administrator"]
    assert accounts.claimed


async def test_whoever_is_removed_while_they_change_their_password_does_not_come_back(accounts: Accounts) -> None:
    await accounts.put("anne", PASSWORD, "administrateur", "test")
    await accounts.put("paul", PASSWORD, "administrateur", "test")
    change = accounts.change("paul", PASSWORD, OTHER, "web:paul")
    said, _ = await asyncio.gather(change, accounts.remove("paul", "web:anne"), return_exceptions=True)
    assert isinstance(said, Refused)
    assert accounts.get("paul") is None


async def test_a_code_that_is_replaced_while_it_is_looked_at_claims_nothing(accounts: Accounts) -> None:
    code = await accounts.new_claim("cli")
    both = await asyncio.gather(
        accounts.new_claim("cli"), accounts.claim(code, "mallory", PASSWORD), return_exceptions=True
    )
    assert isinstance(both[1], Refused)
    assert accounts.get("mallory") is None
    assert await accounts.claim(str(both[0]), NAME, PASSWORD) is False


async def test_a_code_claims_once_when_two_bring_it_at_once(accounts: Accounts) -> None:
    code = await accounts.new_claim("cli")
    ways = [accounts.claim(code, name, PASSWORD) for name in ("anne", "mallory")]
    said = await asyncio.gather(*ways, return_exceptions=True)
    assert [one.key for one in said if isinstance(one, Refused)] == ["claim-wrong"]
    assert len(accounts.all()) == 1


async def test_a_password_that_is_changed_while_it_is_looked_at_lets_nobody_in(
    accounts: Accounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    await accounts.put("anne", PASSWORD, "administrateur", "test")
    passwords = accounts._passwords
    fits = passwords.fits

    async def slowly(secret: bytes | None, password: str) -> bool:
        right = await fits(secret, password)
        await accounts.put("anne", OTHER, "administrateur", "test")
        return right

    monkeypatch.setattr(passwords, "fits", slowly)
    assert await accounts.fits("anne", PASSWORD) is None
    monkeypatch.undo()
    assert await accounts.fits("anne", OTHER) == accounts.get("anne")


@pytest.mark.real("network")
async def test_whoever_signs_in_while_their_password_changes_is_signed_out_with_it(tmp_path: Path) -> None:
    async with Pages(tmp_path) as pages:
        await pages.claimed()
        browser, site, note = pages.browser(), pages.site, pages.site._audit

        async def late(at: float, who: str, what: dict[str, object]) -> None:
            if what.get("web") == "signed in":  # while the disk takes the entry, somebody changes the password
                await pages.web.calls()["web.account.put"]({"name": NAME, "password": OTHER, "role": "administrateur"})
            await note(at, who, what)

        site._audit = late
        await browser.sign_in()
        site._audit = note
        assert (await browser.get("/api/1/status"))[0] == 401


async def test_a_token_that_is_revoked_while_another_is_made_stays_revoked_and_two_made_at_once_are_both_good(
    tmp_path: Path,
) -> None:
    store = await Store.open(tmp_path / "store.db", b"k" * 32)
    tokens = Tokens(store, ManualClock(), lambda: None)
    old, text = await tokens.make("old", "lecteur", 1, "test")
    made = await asyncio.gather(*(tokens.make(name, "lecteur", 1, "test") for name in "ab"), tokens.revoke(old.id, "x"))
    assert tokens.of(f"Bearer {text}") is None
    assert [tokens.of(f"Bearer {made[n][1]}").name for n in (0, 1)] == ["token:a", "token:b"]
    await store.close()

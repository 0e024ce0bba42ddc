"""Broken forms of the defences, each of which a test of its own finds out: the tests can fail."""

from __future__ import annotations

from typing import Any

import pytest

from backend.city.people import accounts, desk, guards
from backend.city.people import throttle as guesses
from backend.city.people.oidc import checks, provider
from backend.storage.city import people as table

from . import test_hostile_provider as hostile_provider
from . import test_local as local
from . import test_provider as by_provider
from .people_kit import Town

pytestmark = pytest.mark.real("network, processes")


async def caught(test: Any, *arguments: Any) -> None:
    with pytest.raises(AssertionError):
        await test(*arguments)


async def test_a_form_that_needs_no_token_is_found_out(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    async def unchecked(request: object) -> None: ...

    monkeypatch.setattr(guards, "_check_form", unchecked)
    await caught(local.test_no_other_site_changes_anything, town)


async def test_requests_of_other_sites_are_found_out(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guards, "is_cross_site", lambda *arguments, **more: False)
    await caught(local.test_no_other_site_changes_anything, town)


async def test_any_name_of_the_server_is_found_out(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guards, "host_is_ours", lambda *arguments: True)
    await caught(local.test_only_our_names_are_answered, town)


async def test_a_session_without_its_persons_mark_is_found_out(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accounts, "mark_of", lambda one: b"the same")
    await caught(local.test_a_change_behind_the_pages_back_ends_a_session_as_well, town)


async def test_a_session_that_outlives_the_next_sign_in_is_found_out(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = desk.Desk._begin

    def keeping(self: Any, *arguments: Any, former: str = "", **more: Any) -> str:
        return begin(self, *arguments, **more)

    monkeypatch.setattr(desk.Desk, "_begin", keeping)
    await caught(local.test_a_session_that_was_there_before_the_sign_in_is_never_taken_over, town)


async def test_a_throttle_that_takes_everything_is_found_out(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guesses, "take", lambda *arguments, **more: 0.0)
    await caught(local.test_guesses_are_few_and_whoever_signed_in_before_still_gets_in, town, monkeypatch)


async def test_a_redirect_to_anywhere_is_found_out(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backend.city.people.pages.local_page", lambda text: text)
    with pytest.raises((AssertionError, ValueError)):
        await local.test_the_page_after_a_sign_in_is_one_of_this_server(town)


async def test_a_state_that_may_come_twice_is_found_out(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    def always(t: object, digest: bytes, until: float) -> bool:
        return True

    async def no_provider_refuses(self: Any, query: Any, begun: Any) -> Any:
        return provider.Signed("alice", {"realm_access": {"roles": ["ilot-head-waste"]}}, "")

    monkeypatch.setattr(table, "use_once", always)
    monkeypatch.setattr(provider.Provider, "signed", no_provider_refuses)
    await caught(by_provider.test_coming_back_twice_enters_once, town)


async def test_a_state_of_another_browser_is_found_out(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    async def signed(self: Any, query: Any, begun: Any) -> Any:
        return provider.Signed("alice", {"realm_access": {"roles": ["ilot-head-waste"]}}, "")

    monkeypatch.setattr(provider.Provider, "signed", signed)
    await caught(by_provider.test_a_code_that_another_browser_began_enters_nobody, town)


async def test_a_token_that_nobody_checks_is_found_out(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = checks._about

    def careless(claims: Any, issuer: str, client: str) -> None:
        plain({**claims, "aud": client, "azp": client}, issuer, client)

    monkeypatch.setattr(checks, "_about", careless)
    await caught(hostile_provider.test_a_token_that_breaks_a_rule_lets_nobody_in, town)

"""Call about the label of a hub: the address of its pages, their certificate's fingerprint, and a claim code."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from hub.core.actor import asker
from hub.core.calls import Call
from hub.web.calls.common import PeopleProvider


class LabelFacts(NamedTuple):
    """Facts of a label. `wifi`: (name, key) of the hub's own access point."""

    hub: str
    url: str
    fingerprint: str
    wifi: tuple[str, str] | None


class LabelCalls:
    def __init__(self, served: PeopleProvider, facts: Callable[[], LabelFacts]) -> None:
        self._served, self._facts = served, facts

    def calls(self) -> dict[str, Call]:
        return {"web.label": self._label, "web.reset": self._reset}

    async def _label(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Answer {new} with {hub, url, fingerprint, claimed, claimable, code, wifi}: `code` is "" when there is no new
        one to show, `wifi` {name, key} or None."""
        accounts = self._served().accounts
        code = ""
        if not accounts.claimed and (arguments.get("new") or not accounts.claimable):
            code = await accounts.new_claim(asker(arguments))
        wifi = self._facts().wifi
        named = {"name": wifi[0], "key": wifi[1]} if wifi is not None else None
        return {**self._shown(), "code": code, "wifi": named}

    async def _reset(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Make a new claim code, even if the hub has an administrateur; everybody is signed out."""
        people = self._served()
        code = await people.accounts.new_claim(asker(arguments))
        for one in people.accounts.all():
            people.sessions.end_all(one.name)
        await people.kept.save()
        return {**self._shown(), "code": code}

    def _shown(self) -> dict[str, Any]:
        facts, accounts = self._facts(), self._served().accounts
        return {
            "hub": facts.hub, "url": facts.url, "fingerprint": facts.fingerprint, "claimed": accounts.claimed,
            "claimable": accounts.claimable,
        }  # fmt: skip

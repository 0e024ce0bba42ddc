"""Calls about tokens for scripts: make, list without their secrets, revoke."""

from __future__ import annotations

from typing import Any

from hub.core.actor import asker
from hub.core.calls import Call
from hub.web.calls.common import PeopleProvider, text


class TokenCalls:
    def __init__(self, served: PeopleProvider) -> None:
        self._served = served

    def calls(self) -> dict[str, Call]:
        return {"web.token.make": self._make, "web.token.list": self._list, "web.token.revoke": self._revoke}

    async def _make(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Answer {title, role, days, by} with {id, name, role, at, expires, by, token}: `token` is shown this once."""
        try:
            days = float(arguments.get("days") or 0)
        except (TypeError, ValueError):
            days = 0.0
        name, role = text(arguments, "title").strip(), text(arguments, "role")
        token, shown = await self._served().tokens.make(name, role, days, asker(arguments))
        return {**token.shown(), "token": shown}

    async def _list(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Answer with {tokens}, without their secrets."""
        return {"tokens": [token.shown() for token in self._served().tokens.all()]}

    async def _revoke(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Answer {id, by} with {id, name, …}."""
        return (await self._served().tokens.revoke(text(arguments, "id"), asker(arguments))).shown()

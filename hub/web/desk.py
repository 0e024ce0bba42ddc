"""What is asked of the pages by the control socket: their label, a new claim code, tokens for scripts, a plan."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hub.control import Call
from hub.errors import ConfigError, HubError

if TYPE_CHECKING:
    from hub.web.accounts import Accounts
    from hub.web.part import Web
    from hub.web.tokens import Tokens


class Desk:
    """The calls of `web`."""

    def __init__(self, web: Web) -> None:
        self._web = web

    def calls(self) -> dict[str, Call]:
        return {
            "web.label": self._label, "web.reset": self._reset, "web.token.make": self._make_token,
            "web.token.list": self._list_tokens, "web.token.revoke": self._revoke_token,
            "plan.add": self._add_plan,
        }  # fmt: skip

    async def _add_plan(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """{file, name, by} → {id}: a plan of a floor, PNG or JPEG, from a file that this hub may read."""
        from hub.web import planned, plans

        path = Path(str(arguments.get("file") or ""))
        if not path.is_absolute():
            raise HubError("file is the whole path of a PNG or JPEG")

        def read() -> bytes:
            with path.open("rb") as file:
                return file.read(plans.MOST_BYTES + 1)

        try:
            data = await asyncio.to_thread(read)
        except OSError as error:
            raise HubError(f"this hub cannot read {path}: {error.strerror}") from error
        return await planned.keep(
            self._web.store, data, str(arguments.get("name") or ""), now=self._web.clock.now(),
            by=str(arguments.get("by") or "cli"),
        )  # fmt: skip

    async def _make_token(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """{title, role, days, by} → {id, name, role, at, expires, by, token}: `token` is shown this once."""
        try:
            days = float(arguments.get("days") or 0)
        except (TypeError, ValueError):
            days = 0.0
        name, role, by = (str(arguments.get(one) or "") for one in ("title", "role", "by"))
        token, text = await self._of_tokens().make(name.strip(), role, days, by or "cli")
        return {**token.shown(), "token": text}

    async def _list_tokens(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """→ {tokens}: without what opens the hub."""
        return {"tokens": [token.shown() for token in self._of_tokens().all()]}

    async def _revoke_token(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """{id, by} → {id, name, …}."""
        token = await self._of_tokens().revoke(str(arguments.get("id", "")), str(arguments.get("by") or "cli"))
        return token.shown()

    def _of_tokens(self) -> Tokens:
        self._served()
        if self._web.tokens is None:
            raise ConfigError("the pages are not served yet: they are starting")
        return self._web.tokens

    async def _label(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """{new} → {hub, url, fingerprint, claimed, code, wifi}: `code` is "" when there is no new one to show, `wifi`
        {name, key} or None."""
        accounts = self._served()
        code = ""
        if not accounts.claimed and (arguments.get("new") or not accounts.claimable):
            code = await accounts.new_claim("cli")
        wifi = self._web.options.wifi if self._web.options is not None else None
        named = {"name": wifi.name, "key": wifi.key.get_secret_value()} if wifi is not None else None
        return {**self._facts(accounts), "code": code, "wifi": named}

    async def _reset(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """A new claim code, whoever administers the hub; nobody is signed in any more."""
        accounts = self._served()
        code = await accounts.new_claim("cli")
        if self._web.sessions is not None:
            for one in accounts.all():
                self._web.sessions.end_all(one.name)
        return {**self._facts(accounts), "code": code}

    def _served(self) -> Accounts:
        if self._web.options is None:
            raise ConfigError("this hub has no pages: `web: {}` in its configuration, and a restart, give it some")
        if self._web.accounts is None:
            raise ConfigError(f"the pages are not served yet: {self._web.error or 'they are starting'}")
        return self._web.accounts

    def _facts(self, accounts: Accounts) -> dict[str, Any]:
        return {
            "hub": self._web.hub, "url": self._web.url(), "fingerprint": self._web.fingerprint,
            "claimed": accounts.claimed, "claimable": accounts.claimable,
        }  # fmt: skip

"""Calls about accounts, passwords and the claim of the hub."""

from __future__ import annotations

from typing import Any

from hub.automation.commands.policy import ROLES
from hub.core.actor import asker
from hub.core.calls import Call
from hub.web.calls.common import PeopleProvider, text

LONGEST = 1024
"""Maximum characters of a password that are checked."""


class AccountCalls:
    """Calls about accounts. `keep`: the token of the session that stays open, for requests from a browser."""

    def __init__(self, served: PeopleProvider) -> None:
        self._served = served

    def calls(self) -> dict[str, Call]:
        return {
            "web.account.list": self._list, "web.account.put": self._put, "web.account.remove": self._remove,
            "web.account.password": self._password, "web.claim": self._claim,
        }  # fmt: skip

    async def _list(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Answer with {accounts}: {name, role, at} of each."""
        known = self._served().accounts.all()
        return {"accounts": [{"name": one.name, "role": one.role, "at": one.at} for one in known]}

    async def _put(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Answer {name, password, role, by, keep} with {name, role}: add an account, or set another role and password;
        it is signed out everywhere. Without `role` an account keeps its own, and a new one is lecteur. Raises Refused,
        Busy, StorageError."""
        people = self._served()
        name = text(arguments, "name").lower()
        known = people.accounts.get(name)
        own = known.role if known is not None else ROLES[0]
        role = own if arguments.get("role") is None else text(arguments, "role")
        one = await people.accounts.put(name, _secret(arguments, "password"), role, asker(arguments))
        people.sessions.end_all(name, but=text(arguments, "keep"), mark=one.mark)
        await people.kept.save()
        return {"name": one.name, "role": one.role}

    async def _remove(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Answer {name, by} with {name}. Raises Refused, StorageError."""
        people = self._served()
        name = text(arguments, "name").lower()
        await people.accounts.remove(name, asker(arguments))
        people.sessions.end_all(name)
        await people.kept.save()
        return {"name": name}

    async def _password(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Answer {name, former, password, by, keep} with {name}: change one's own. Raises Refused ("password-wrong" for
        the former one), Busy, StorageError. Remote clients are throttled before."""
        people = self._served()
        name = text(arguments, "name")
        former, password = _secret(arguments, "former"), _secret(arguments, "password")
        account = await people.accounts.change(name, former, password, asker(arguments))
        people.sessions.end_all(name, but=text(arguments, "keep"), mark=account.mark)
        await people.kept.save()
        return {"name": name}

    async def _claim(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Answer {code, name, password} with {name, again}: a right code makes the first administrateur, once; `again`:
        there was one already, and the code is of `ilot claim reset` or of a file on the card. Raises Refused
        ("claim-wrong" for the code), Busy, StorageError. Remote clients are throttled before."""
        people = self._served()
        name = text(arguments, "name").lower()
        again = await people.accounts.claim(text(arguments, "code"), name, _secret(arguments, "password"))
        people.sessions.end_all(name)
        await people.kept.save()
        return {"name": name, "again": again}


def _secret(arguments: dict[str, Any], name: str) -> str:
    return str(arguments.get(name) or "")[:LONGEST]

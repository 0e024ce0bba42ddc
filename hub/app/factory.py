"""Factory reset of a running hub, and the end of one at the next start (`hub.operations.factory_reset`).

Who may ask: root or the hub's user at the machine (`ilot reset --factory`), an administrateur on the pages who types
the password once more, and whoever holds the card, by a file `ilot-factory-reset` on the boot partition that holds this
hub's id. The id stands on the label; after the reset the hub has another, so that a file that cannot be removed from
there resets nothing again. No request of the network does it alone.

A running hub tells the district by an alert, its last one, sets the mark, and ends as at every stop, with ten seconds
for acknowledgements. Then the process begins anew and `resume` destroys everything before anything is opened.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from pathlib import Path
from typing import Any

from hub.automation.alerts.lifecycle import RAISED, Alert
from hub.automation.alerts.service import AlertService
from hub.core.actor import actor, asker
from hub.core.calls import Call
from hub.core.clock import Clock, SystemClock
from hub.core.errors import HubError
from hub.core.state_dir import StateDir
from hub.core.store import Store
from hub.core.text import phrase, reason_of
from hub.i18n.catalogues import translate
from hub.identity import keys
from hub.identity.enrolment import keys_of
from hub.operations import factory_reset
from hub.operations.factory_reset import ResetRequest
from hub.page_kit.people.passwords import new_code
from hub.page_kit.refusals import Refused
from hub.web.web_part import Web

BOOT = Path("/boot/firmware")
ASKED = "ilot-factory-reset"
LINGER_S = 2.0
"""Seconds for whoever asked to read the answer."""
RULE = "factory-reset"

_log = logging.getLogger("hub")


class FactoryReset:
    """Calls that reset this hub. `site` is the alert's."""

    def __init__(
        self, state: StateDir, store: Store, book: AlertService, web: Web, clock: Clock, *, site: str | None
    ) -> None:
        self._state, self._store, self._book, self._web, self._clock = state, store, book, web, clock
        self._site = site or ""
        book.owners.add(RULE)

    def calls(self) -> dict[str, Call]:
        return {"factory.reset": self._call, "factory.reset.page": self._from_page}

    async def _call(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Answer {config, why} with {hub, code}: the claim code that is valid afterwards. `config`: the configuration
        goes too."""
        who, why = asker(arguments), str(arguments.get("why") or "")[:150].strip()
        code = new_code()
        await self._store.audit(self._clock.now(), who, {"factory": "reset", "why": why})
        said = phrase(
            "factory-reset-alert",
            "factory reset by {who} ({why}): this hub ends here",
            who=actor(who),
            why=why or phrase("factory-reset-no-reason", "no reason given"),
        )
        try:
            await self._book.raise_(_alert(said, who, why, self._site))
            await self._book.flush()
        except HubError as error:  # a full disk must not keep anybody from emptying it
            _log.error(reason_of(error))
        wanted = ResetRequest(by=who, at=self._clock.now(), config=arguments.get("config") is True, code=code)
        await asyncio.to_thread(factory_reset.request, self._state, wanted)
        _log.warning(said)
        asyncio.get_running_loop().call_later(LINGER_S, os.kill, os.getpid(), signal.SIGTERM)
        return {"hub": self._web.hub, "code": code}

    async def _from_page(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Answer {name, password, hub, why, by} as `factory.reset` with the configuration, when the password is that
        of an administrateur of this name and `hub` is this hub's id. Raises Refused, Busy."""
        people = self._web.people
        account = None
        if people is not None:
            account = await people.accounts.fits(str(arguments.get("name") or ""), str(arguments.get("password") or ""))
        if account is None or account.role != "administrateur":
            raise Refused("password-wrong")
        if str(arguments.get("hub") or "").strip() != self._web.hub:
            raise HubError(phrase("factory-reset-other-hub", "this is not the id of this hub"))
        return await self._call({**arguments, "config": True})


def _alert(said: str, who: str, why: str, site: str) -> Alert:
    return Alert(
        id="", rule=RULE, key="hub", severity="critical", state=RAISED, raised=0.0, changed=0.0, by=who, why=why,
        site=site, text=str(said), text_fr=translate(said, "fr"),
    )  # fmt: skip


def is_pending(state: StateDir) -> bool:
    """Return whether a reset is to be done, or to go on, before this hub may start."""
    return (state.path / factory_reset.MARK).exists()


def resume(state: StateDir, config: Path, boot: Path = BOOT) -> bool:
    """Do, or end, a reset that was asked for; return whether there was one. Blocking. Raises HubError."""
    if not is_pending(state) and _asked_by_card(state, boot):
        factory_reset.request(state, ResetRequest(by="card", config=True))
    wanted = factory_reset.requested(state)
    if wanted is None:
        return False
    found = factory_reset.reset(state, config if wanted.config else None, wanted)
    for sentence in found.left:
        _log.error(
            phrase("configuration-not-erased", "the configuration is not erased whole: {reason}", reason=sentence)
        )
    if wanted.code:
        asyncio.run(_claimable(state, wanted.code))
        factory_reset.finish(state)
    _log.warning(
        phrase(
            "factory-reset-done",
            "this hub was reset: {keys} key files and {files} others are destroyed",
            keys=len(found.keys),
            files=found.other_files,
        )
    )
    return True


def _asked_by_card(state: StateDir, boot: Path) -> bool:
    """Return whether the file on the boot partition names this very hub."""
    try:
        with (boot / ASKED).open("rb") as file:
            said = file.read(128).decode(errors="replace").removeprefix("\ufeff").strip()
        return bool(said) and said == keys.load(state.keys).hub_id
    except (OSError, HubError):
        return False


async def _claimable(state: StateDir, code: str) -> None:
    """Make the keys of the hub that begins here, and the code valid that was shown for it."""
    from hub.page_kit.people.passwords import Passwords
    from hub.web.people.accounts import Accounts

    clock = SystemClock()
    store = await Store.open(state.store, keys_of(state.path).store_key)
    try:
        accounts = Accounts(store, clock, Passwords(), lambda: None)
        await accounts.load()
        await accounts.new_claim("factory-reset", code)
    finally:
        await store.close()

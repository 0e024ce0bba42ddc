"""`ilot plugins restart NAME`: restarts one plugin instance with the running configuration."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from hub.config.differences import CHANGED, Difference
from hub.core.actor import asker
from hub.core.calls import Call
from hub.core.errors import HubError
from hub.core.text import phrase
from hub.plugin_host.plugins import Key, key_of
from hub.plugin_host.supervisor import Health

_log = logging.getLogger("hub")

UPLINK = "uplink"


class PluginRestart:
    """The call `plugin.restart`. `health` of all instances; `again` stops and starts one; `audit` records who did
    what."""

    def __init__(
        self,
        health: Sequence[Health],
        again: Callable[[Difference], Awaitable[None]],
        audit: Callable[[str, Mapping[str, object]], Awaitable[None]],
    ) -> None:
        self._health, self._again, self._audit = health, again, audit

    def calls(self) -> dict[str, Call]:
        return {"plugin.restart": self._restart}

    async def _restart(self, arguments: dict[str, Any]) -> Any:
        """Handle {name, kind, by, dry_run} → {name, kind, was, state}, audited beforehand.

        `kind`: integration, exporter or notifier; optional where the name is unique. Raises HubError, also when the
        instance does not stop.
        """
        kind, name = self._key(str(arguments.get("kind") or ""), str(arguments.get("name") or ""))
        was = self._state((kind, name))
        answer = {"name": name, "kind": kind, "was": was, "state": was}
        if arguments.get("dry_run"):
            return answer
        by = asker(arguments)
        await self._audit(by, {"plugin": "restarted", "kind": kind, "name": name})
        _log.info(
            phrase(
                "plugin-restart-requested", "{kind} {name} is restarted: an operator asked for it", kind=kind, name=name
            )
        )
        await self._again(Difference(kind, name, CHANGED))
        return {**answer, "state": self._state((kind, name))}

    def _key(self, kind: str, name: str) -> Key:
        found = [key_of(one) for one in self._health if one.name == name and one.type != UPLINK]
        found = [key for key in found if not kind or key[0] == kind]
        if not found:
            raise HubError(
                phrase("no-such-plugin-runs", "no plugin {name!r} runs here; `ilot status` names them", name=name)
            )
        if len(found) > 1:
            raise HubError(
                phrase(
                    "plugin-kind-ambiguous",
                    "{name!r} names several plugins: choose one by --kind ({kinds})",
                    name=name,
                    kinds=[key[0] for key in found],
                )
            )
        return found[0]

    def _state(self, key: Key) -> str:
        return next((one.state for one in self._health if key_of(one) == key), "")

"""The API of notifiers: plugins that carry alerts to people. Notifications and Protocols only. Pure.

from hub.sdk.notification import Notification, Notifications, RegisterNotifier
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime
from typing import Any, Literal, Protocol, TypeVar
from zoneinfo import ZoneInfo

import msgspec

from hub.core.text import Phrase, phrase
from hub.i18n.ambiguous_time import offset_if_ambiguous
from hub.i18n.catalogues import translate
from hub.i18n.typography import quantity
from hub.sdk.options import Config
from hub.sdk.session import Http

C = TypeVar("C", bound=Config)

AlertState = Literal["raised", "acknowledged", "muted", "escalated", "cleared"]
Severity = Literal["info", "warning", "critical"]
Language = Literal["fr", "en"]

_SEVERITIES = {
    "info": phrase("severity-info", "info"),
    "warning": phrase("severity-warning", "warning"),
    "critical": phrase("severity-critical", "critical"),
}


class Notification(msgspec.Struct, frozen=True, kw_only=True):
    """The state of an alert, for people. `alert` is its id, `n` counts its changes, `state` and `severity` are its
    present ones. `rule` raised it, `by` made the last change and `why` is the reason given. `raised` and `changed`
    are Unix seconds. `value` is the reading with its unit, "" where it may not leave the hub; `text` and `text_fr`
    are English and French. `place`, `zone`, `site`, `device` and `integration` are the ids of what it is about, or
    ""."""

    alert: str
    n: int
    rule: str
    state: AlertState
    severity: Severity
    text: str
    text_fr: str
    value: str = ""
    place: str = ""
    zone: str = ""
    site: str = ""
    device: str = ""
    integration: str = ""
    by: str = ""
    why: str = ""
    raised: float
    changed: float

    @property
    def key(self) -> str:
        """Names this change of the alert: a receiver that has seen it can drop a repeat."""
        return f"{self.alert}-{self.n}"

    def document(self, hub: str) -> dict[str, str | int | float]:
        """One JSON object, for programs: the fields, `n` as "change", and the hub's id as "hub"."""
        fields = msgspec.structs.asdict(self)
        return {"hub": hub, "alert": fields.pop("alert"), "change": fields.pop("n"), **fields}

    def sentence(self, language: Language = "fr") -> str:
        """One line for people: the state, the severity and the text of the alert."""
        text = (self.text_fr if language == "fr" else self.text) or self.text
        return str(translate(self._announced(text), language))

    def _announced(self, text: str) -> Phrase:
        severity = _SEVERITIES[self.severity]
        match self.state:
            case "raised":
                return phrase("notification-raised", "Alert ({severity}): {text}", severity=severity, text=text)
            case "escalated":
                return phrase(
                    "notification-escalated",
                    "No answer, escalated ({severity}): {text}",
                    severity=severity,
                    text=text,
                )
            case "acknowledged" if by := self.by.partition(":")[2]:
                return phrase("notification-acknowledged-by", "Acknowledged ({by}): {text}", by=by, text=text)
            case "acknowledged":
                return phrase("notification-acknowledged", "Acknowledged: {text}", text=text)
            case "muted":
                return phrase("notification-muted", "Muted: {text}", text=text)
            case "cleared":
                return phrase("notification-cleared", "Over: {text}", text=text)

    def amount(self, language: Language = "fr") -> str:
        """`value` as people write it in that language, "" where there is none."""
        return quantity(self.value, language)

    def since(self, timezone: str, language: Language = "fr") -> str:
        """Date and time when it was raised, in an IANA time zone. In the hour that comes twice, it says which of the
        two."""
        form = "%d/%m/%Y %H:%M" if language == "fr" else "%Y-%m-%d %H:%M"
        local = datetime.fromtimestamp(self.raised, ZoneInfo(timezone))
        twice = offset_if_ambiguous(local)
        return f"{local:{form}} ({timezone}{', ' + twice if twice else ''})"


class Notifications(Protocol):
    """Queue of a notifier, given to it beside its configuration. Iterate it, and call `done` for each notification that
    got through or is not for this notifier. One that is not done is given again, also after a restart; of one alert
    only the latest state. Raise NotReady when the receiver does not answer: the hub waits and starts the notifier
    again."""

    @property
    def name(self) -> str:
        """Name of this notifier in the configuration."""
        ...

    @property
    def hub(self) -> str:
        """The hub's id, `hub-…`."""
        ...

    @property
    def timezone(self) -> str:
        """IANA name of the site's time zone, for dates in messages."""
        ...

    @property
    def log(self) -> logging.LoggerAdapter[logging.Logger]:
        """Log of this notifier: each line carries its name."""
        ...

    @property
    def http(self) -> Http:
        """Requests to the hosts that this notifier's options name."""
        ...

    @property
    def memory(self) -> dict[str, Any]:
        """Values of this notifier's own about notifications that are not done yet. They outlive a run of the notifier,
        not the process."""
        ...

    def __aiter__(self) -> AsyncIterator[Notification]:
        """Yield each notification that is due."""
        ...

    def done(self, notice: Notification) -> None:
        """Take a notification off the queue: it got through, or is not for this notifier."""
        ...


RunNotifier = Callable[[C, Notifications], Awaitable[None]]


class RegisterNotifier(Protocol):
    """`register(name, Config, run)` adds a notifier. `per_hour` limits its messages where the configuration sets no
    limit: for messages that cost money, or fill a letter box."""

    def __call__(self, name: str, config: type[C], run: RunNotifier[C], *, per_hour: int | None = None) -> None:
        """Raises PluginError when `config` is no subclass of `hub.Config`."""
        ...

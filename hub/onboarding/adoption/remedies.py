"""Remedies for a device that does not report, by reason. Pure.

Five of them have a name, the same on the phone and in the report: a wrong key, out of range, a label that cannot be
read, at another hub, no key. The others have the hub's sentence.
"""

from __future__ import annotations

from typing import NamedTuple

from hub.core.text import phrase
from hub.i18n.catalogues import translate

GREY, BLUE, AMBER, GREEN, RED = "grey", "blue", "amber", "green", "red"
"""Colours of a row: unknown · its key is known · its join was seen · its first valid reading is in · trouble."""


class Remedy(NamedTuple):
    """A remedy: `name`, and in `do` what to do; `action` is the page's offer."""

    name: str
    do: str
    action: str = ""

    def as_dict(self) -> dict[str, str]:
        """Return the remedy as in rows and reports."""
        return {
            "fr": str(translate(self.name, "fr")), "en": str(self.name), "do_fr": str(translate(self.do, "fr")),
            "do_en": str(self.do), "action": self.action,
        }  # fmt: skip


WRONG_KEY = Remedy(
    phrase("remedy-wrong-key", "Wrong key"),
    phrase("do-wrong-key", "Compare its AppKey with the maker's and enter the right one, or replace the device."),
    "key",
)
OUT_OF_RANGE = Remedy(
    phrase("remedy-out-of-range", "Out of range"),
    phrase(
        "do-out-of-range",
        "Nothing was heard: check its battery, make it send (button, magnet), or bring the gateway nearer.",
    ),
    "replace",
)
UNREADABLE = Remedy(
    phrase("remedy-unreadable-label", "Label that cannot be read"),
    phrase("do-unreadable-label", "Enter the printed DevEUI by hand (and the AppKey where no inventory has it)."),
    "manual",
)
ELSEWHERE = Remedy(
    phrase("remedy-at-another-hub", "At another hub already"),
    phrase("do-at-another-hub", "Remove it there (or keep it there and take this row away), then make it join again."),
    "forget",
)
NO_KEY = Remedy(
    phrase("remedy-no-key", "No key"),
    phrase("do-no-key", "Neither its label nor an inventory has its key: load the district's inventory, or enter it."),
    "inventory",
)
NO_PLACE = Remedy(
    phrase("remedy-no-place", "Place to be chosen"),
    phrase("do-no-place", "Choose the place where it is, or name a new one."),
    "place",
)
JOINED = Remedy(
    phrase("remedy-first-reading-awaited", "First reading awaited"),
    phrase("do-first-reading-awaited", "It has joined: make it send, or wait."),
)
UNREAD = Remedy(
    phrase("remedy-no-pack", "No pack"),
    phrase("do-no-pack", "Give it the pack of its model."),
    "device",
)
NO_ANSWER = Remedy(
    phrase("remedy-no-answer", "No answer"),
    phrase("do-no-answer", "Check its power, its address and its line; it is asked again by itself."),
)
OTHER = Remedy(
    phrase("remedy-to-be-looked-at", "To be looked at"),
    phrase("do-to-be-looked-at", "See the page of the device."),
    "device",
)

_BY_WHY = {
    "bad-mic": WRONG_KEY, "bad-key": WRONG_KEY, "needs-key": NO_KEY, "no-key": NO_KEY, "unreadable": UNREADABLE,
    "not-heard": OUT_OF_RANGE, "silent": OUT_OF_RANGE, "elsewhere": ELSEWHERE, "joined": JOINED, "no-place": NO_PLACE,
    "unread": UNREAD, "unreachable": NO_ANSWER,
}  # fmt: skip


def remedy(why: str, hub: str = "") -> Remedy:
    """Return the remedy. `hub`: another hub that last heard the device; "" where unknown."""
    if hub:
        return ELSEWHERE._replace(name=phrase("remedy-at-hub", "At another hub already: {hub}", hub=hub))
    return _BY_WHY.get(why, OTHER)


def colour(state: str, why: str, *, known: bool) -> str:
    """Return the colour. `state` and `why` of `hub.onboarding.adoption.device_status`; `known`: it is admitted."""
    if not known:
        return GREY
    if state == "green":
        return GREEN
    return RED if state == "trouble" else AMBER if why == "joined" else BLUE

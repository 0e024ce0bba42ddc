"""Reasons for raising a device not at all or less than requested: a slug to count, and a sentence for people. Pure."""

from __future__ import annotations

import msgspec

from hub.core.text import phrase as filled
from hub.i18n.catalogues import translate

PHRASES = {
    # left out
    "sampling-unknown-period": "its period is not known yet: it must be heard a few times first",
    "sampling-often-enough": "it speaks as often already",
    "sampling-cut-off": "its integration is cut off by the isolation",
    "sampling-not-running": "its integration does not run now",
    "sampling-no-downlink": "its pack declares no downlink that sets its period",
    "sampling-no-pack": "it has no pack that can be read",
    "sampling-not-heard": "it was not heard here yet",
    "sampling-no-way-back": (
        "its present period ({was}) could not be given back: the downlink goes from {low} to {high}"
    ),
    "sampling-battery-unknown": "nothing says yet how long its battery lasts: that takes 14 days of readings",
    "sampling-battery": "its battery does not allow it: {left} d are left, and {keep} d must remain",
    # left out or clipped
    "sampling-battery-clip": "clipped by its battery",
    "sampling-duty": "clipped by its legal airtime",
    "sampling-reads": "clipped: a meter with a battery is read {reads} times a day at most",
    "sampling-bounds": "clipped by the shortest period that its pack allows ({low})",
    "sampling-tick": "clipped: its integration asks every {low} at most",
    "sampling-channel": "clipped by the load of the LoRaWAN channels",
    "sampling-line": "clipped by the load of line {line}",
    # while it is being told
    "sampling-read-only": "waits: the hub is read-only, nothing is written",
    "sampling-stopped": "waits: all writes are stopped",
    "sampling-too-many": "waits: too many commands are under way",
    "sampling-too-soon": "waits: a command has just left",
    "sampling-refused": "the command is refused; see the audit log",
    "sampling-command-failed": "the command failed; see `ilot command list`",
    "sampling-command-expired": "the command expired before it could leave; the device did not speak",
    "sampling-not-noticed": "not observed at that period",
    "sampling-step": "rounded to what the device can count",
}
"""Code → sentence; a code is `sampling-` and the slug."""

WORDS = frozenset(code.removeprefix("sampling-") for code in PHRASES)


class Reason(msgspec.Struct, frozen=True):
    """A reason: `slug` of WORDS; `facts` fill its sentence. `words`: its own sentence, a phrase; or French and
    English."""

    slug: str
    facts: dict[str, str] = {}
    words: str | tuple[str, str] | None = None

    @property
    def text(self) -> str:
        """Return the sentence."""
        if self.words is not None:
            return self.words[1] if isinstance(self.words, tuple) else self.words
        code = f"sampling-{self.slug}"
        return filled(code, PHRASES[code], **self.facts)

    def as_dict(self) -> dict[str, str]:
        """Return the reason as calls answer it."""
        french = self.words[0] if isinstance(self.words, tuple) else str(translate(self.text, "fr"))
        return {"reason": self.slug, "why": self.text, "why_fr": french}

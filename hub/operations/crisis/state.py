"""Crisis state of a hub, as stored. Pure."""

from __future__ import annotations

import msgspec

from hub.core.text import phrase

KEY = "crisis/state"
ISOLATED, READ_ONLY = "isolated", "read-only"


class State(msgspec.Struct, frozen=True, kw_only=True):
    """`since` is Unix seconds of the first of the active states; `digest` of the configuration then, in hex."""

    isolated: bool = False
    read_only: bool = False
    since: float = 0.0
    by: str = ""
    why: str = ""
    digest: str = ""

    @property
    def holds(self) -> bool:
        return self.isolated or self.read_only

    @property
    def names(self) -> list[str]:
        return [name for name, on in ((ISOLATED, self.isolated), (READ_ONLY, self.read_only)) if on]

    def entered(self, name: str, *, now: float, by: str, why: str, digest: str) -> State:
        """Return the state with one more entered. An active one keeps its beginning and its digest, and its reason is
        joined with the new one."""
        if name in self.names:
            return self
        first = self if self.holds else State(since=now, by=by, why=why, digest=digest)
        return msgspec.structs.replace(
            first,
            isolated=self.isolated or name == ISOLATED,
            read_only=self.read_only or name == READ_ONLY,
            by=_both(first.by, by, ", "),
            why=_both(first.why, why, "; "),
        )


def _both(first: str, second: str, between: str) -> str:
    return first if second == first else f"{first}{between}{second}"


def encode(state: State) -> bytes:
    return msgspec.json.encode(state, enc_hook=str)


def decode(data: bytes | None) -> State:
    """Decode the stored state. An unreadable one counts as the worst: isolated and read-only, until a person ends
    it."""
    if data is None:
        return State()
    try:
        return msgspec.json.decode(data, type=State)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return State(
            isolated=True,
            read_only=True,
            by="?",
            why=phrase("crisis-memory-unreadable", "what was remembered of a crisis cannot be read"),
        )

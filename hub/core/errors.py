"""Errors, by who must act.

    HubError
    ├─ ConfigError      the operator edits the file: file, line, key, what was expected
    ├─ PluginError      the vendor's code broke its contract; names the distribution and version
    ├─ NotReady     ▲   nobody: device or backend is away; back off, log once when it goes, once when it returns
    │  └─ LedElsewhere ▲   it says that it is somewhere else, where this hub does not go: counted, and told the owner
    ├─ AuthFailed   ▲   the operator renews a credential; this plugin stops, the rest goes on
    ├─ DecodeError  ▲   the frame is wrong: counted by device and reason
    └─ StorageError     the disk
       ├─ BufferFull      policy decides, drops are declared
       ├─ DiskRefuses     it refuses now: worth trying again
       └─ SegmentDamaged  salvage, declare the gap

▲ = what a plugin may raise; anything else is a bug: traceback once, counted, restarted with back-off,
quarantined when it repeats. What a backend refuses is data (`ack(rejected=…)`), not an exception.
"""

from __future__ import annotations

from dataclasses import dataclass

from hub.core.text import Phrase, phrase


class HubError(Exception):
    """Base of all errors the hub raises on purpose. `exit_code` is what the CLI ends with: unless a class says
    otherwise, what was asked for makes no sense here. 1 is left to bugs."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class Problem:
    """A fault in a configuration: where it stands and what would be right."""

    message: str
    path: str = ""  # dotted key, "integrations.modbus.devices[0].unit"
    file: str = ""
    line: int = 0  # 1-based, 0 = unknown
    column: int = 0  # 1-based, 0 = unknown
    source: str = ""  # the failing line of the file, without its newline
    suggestion: str = ""  # "did you mean …", the nearest right key or value

    def __str__(self) -> str:
        return str(self.sentence)

    @property
    def sentence(self) -> str:
        """The message with its place and the suggestion: a Phrase where the message is one, or has these."""
        place = ":".join(str(p) for p in (self.file, self.line, self.column) if p)
        text = self.message
        if self.suggestion:
            text = phrase(
                "problem-with-suggestion",
                "{reason} (did you mean {suggestion}?)",
                reason=text,
                suggestion=self.suggestion,
            )
        return phrase("problem-at-place", "{place}: {reason}", place=place, reason=text) if place else text


class ConfigError(HubError):
    """The configuration is wrong. Carries every problem found, not only the first."""

    exit_code = 3

    def __init__(self, problems: list[Problem] | str) -> None:
        self.problems = [Problem(problems)] if isinstance(problems, str) else list(problems)
        super().__init__(self.problems[0].sentence if len(self.problems) == 1 else "\n".join(map(str, self.problems)))


class PluginError(HubError):
    """A plugin broke its contract. The message names the distribution and its version."""

    exit_code = 1


class NotReady(HubError):
    """A device or a backend is away; nobody needs to act. The supervisor backs off and tries again."""

    exit_code = 4


class LedElsewhere(NotReady):
    """A device, gateway or server would send the hub to a host that the configuration does not name there. It was not
    followed; each time is counted, and is a security incident. `counted`: by whoever raised it."""

    counted = False


class AuthFailed(HubError):
    """A credential was refused; the operator renews it. The plugin stops until it is restarted."""

    exit_code = 5


class DecodeError(HubError):
    """A frame could not be read.

    `reason` is a short slug ("truncated", "bad-mic", "unknown-object") by which frames are counted;
    `detail` is for people and never holds the frame's bytes.
    """

    exit_code = 7

    def __init__(self, reason: str, detail: str = "") -> None:
        self.reason = reason
        self.detail = detail
        said = phrase("with-slug", "{slug}: {reason}", slug=reason, reason=detail) if isinstance(detail, Phrase) else ""
        super().__init__(said or (f"{reason}: {detail}" if detail else reason))


class StorageError(HubError):
    """The disk refused or lost something."""

    exit_code = 7


class BufferFull(StorageError):
    """The buffer takes no more rows. The overflow policy decides, and what is dropped is declared."""


class DiskRefuses(StorageError):
    """The disk refuses to read, write or sync at this moment (an I/O error, no room). Nothing says that what lies on
    it is wrong: the same may work a moment later."""


class SegmentDamaged(StorageError):
    """Bytes of a segment fail their checks; the rest is salvaged and the gap declared."""


def cause(error: Exception) -> Exception:
    """Return the worst error of a group of tasks: a bug before a refusal, a refusal before mere absence. Any other
    error as it is."""
    if not isinstance(error, ExceptionGroup):
        return error
    return max((cause(part) for part in error.exceptions), key=_weight)


def _weight(error: Exception) -> int:
    return 1 + isinstance(error, AuthFailed) if isinstance(error, HubError) else 3

"""Errors of plugins as phrases for people: for health, findings and log lines. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from hub.config.positions import Finding
from hub.core.errors import ConfigError, DecodeError, Problem
from hub.core.text import Phrase, phrase, reason_of
from hub.sdk.phrases import detail_of

LONGEST = 1000
"""Characters of an error of third-party code that are kept."""


class RemoteError(Exception):
    """An error of a plugin in a process of its own; `kind` is the name of its class there."""

    def __init__(self, kind: str, said: str) -> None:
        super().__init__(said)
        self.kind = kind


def error_text(error: BaseException) -> str:
    """Return what an error says, with its code where it was raised with one."""
    if isinstance(error, ConfigError) and len(error.problems) == 1 and isinstance(error.problems[0].message, Phrase):
        return error.problems[0].message
    return detail_of(error) if isinstance(error, DecodeError) else reason_of(error)


def named_error(error: BaseException) -> Phrase:
    """Return what an error of third-party code says, with its type: its text alone may be a bare key or a number."""
    said = error_text(error)
    reason = said if isinstance(said, Phrase) else said[:LONGEST]
    kind = error.kind if isinstance(error, RemoteError) else type(error).__name__
    return phrase("error-of-type", "{type}: {reason}", type=kind, reason=reason)


def wrong_options(found: Sequence[Finding]) -> ConfigError:
    """Return the error that names each option that a plugin's model refused, and why."""
    said = [
        phrase("option-is-wrong", "{option}: {reason}", option=".".join(map(str, one.path)), reason=one.message)
        for one in found
    ]
    return ConfigError([Problem(said[0] if len(said) == 1 else phrase("options-are-wrong", "{options}", options=said))])

"""What is wrong with options that a plugin reads by a model of its own. Pure."""

from __future__ import annotations

from pydantic import ValidationError


def wrong_option(error: ValidationError) -> str:
    """The first thing that a model refused, as `registers.0.address: why`, for a line in the log. It does not repeat
    the value, which may be a secret."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    where, why = ".".join(map(str, first["loc"])), first["msg"].removeprefix("Value error, ")
    return f"{where}: {why}" if where else why

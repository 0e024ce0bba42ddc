"""Validation of one part of the data: a model, or findings. Pure."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from hub.config.checks.references import inline_secrets
from hub.config.positions import Finding, Path
from hub.config.pydantic_findings import findings
from hub.config.values import duration
from hub.core.text import phrase

M = TypeVar("M", bound=BaseModel)


def validate(
    model: type[M], data: Any, base: Path, what: str, found: list[Finding], read: Callable[[Any], M] | None = None
) -> M | None:
    """Return `data` as a `model`; None, with the reasons added to `found`, when it is not one. `read` replaces
    `model_validate`.

    Wherever a model has a plain `timedelta`, the file may say `30s`: pydantic itself only reads ISO 8601.
    """
    inline = list(inline_secrets(model, data, base))
    found.extend(inline)
    written = data
    for _ in range(2):
        try:
            value = (read or model.model_validate)(data)
        except ValidationError as error:
            repaired = _with_durations(data, error)
            reasons = findings(error, model, base, written, what)
        except Exception as error:  # a validator of the model's author may raise anything
            # The text of the error may hold a secret of this section: only its type is reported.
            found.append(
                Finding(
                    base,
                    phrase(
                        "check-of-options-failed",
                        "a check of {what} failed ({error}): this is a bug in its code",
                        what=what,
                        error=type(error).__name__,
                    ),
                )
            )
            return None
        else:
            return None if inline else value
        if repaired is None:
            break
        data = repaired
    told = {one.path for one in inline}  # other errors of such a value would show it
    found.extend(one for one in reasons if one.path not in told)
    return None


def _with_durations(data: Any, error: ValidationError) -> Any:
    """Return `data` with the durations that pydantic could not read; None when that helps nothing."""
    helped = False
    for details in error.errors(include_url=False):
        if details["type"] != "time_delta_parsing" or not isinstance(details["input"], str):
            continue
        try:
            value = duration(details["input"])
        except ValueError:
            continue
        data, done = _replaced(data, list(details["loc"]), details["input"], value)
        helped = helped or done
    return data if helped else None


def _replaced(data: Any, loc: list[int | str], old: str, new: timedelta) -> tuple[Any, bool]:
    """Return a copy of `data` with `new` for `old` at `loc`, skipping steps of `loc` that are not in the data."""
    if data == old and isinstance(data, str):
        return new, True
    for index, part in enumerate(loc):
        if isinstance(data, dict) and str(part) in data:
            inner, done = _replaced(data[str(part)], loc[index + 1 :], old, new)
            return {**data, str(part): inner}, done
        if isinstance(data, list) and isinstance(part, int) and part < len(data):
            inner, done = _replaced(data[part], loc[index + 1 :], old, new)
            return [*data[:part], inner, *data[part + 1 :]], done
    return data, False

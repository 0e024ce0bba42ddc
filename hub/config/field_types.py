"""Types of option values, and the base of all sections of the file."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from hub.core.model import DEVICE_ID, METRIC_KEY, PLACE_ID
from hub.core.option_text import put_codes
from hub.core.text import Phrase, phrase

INSTANCE_NAME = re.compile(r"[a-z][a-z0-9_-]{0,31}")


def matching(pattern: re.Pattern[str] | str, expected: Phrase) -> AfterValidator:
    """Return a validator of text that matches as a whole; `expected` describes it."""
    compiled = re.compile(pattern)

    def check(text: str) -> str:
        if not compiled.fullmatch(text):
            raise ValueError(expected)
        return text

    return AfterValidator(check)


def readable(read: Callable[[str], Any]) -> AfterValidator:
    """Return a validator of text that `read` parses; the text is kept as written. The ValueError of `read` says what
    was expected."""

    def check(text: str) -> str:
        read(text)
        return text

    return AfterValidator(check)


def _none_is_empty(value: Any) -> Any:
    return {} if value is None else value


_ID = phrase(
    "id-of-wrong-form",
    "an id is letters from a to z, digits, '_', '-' and '.', at most 64, starting with a letter or digit",
)
_DEVICE = phrase("device-id-of-wrong-form", "a device id is scheme:identifier, like ble:A4:C1:38:01:02:03")
_NAME = phrase(
    "instance-name-of-wrong-form",
    "a name here is letters from a to z, digits, '_' and '-', starting with a letter",
)
_METRIC = phrase("metric-of-wrong-form", "a metric is letters from a to z, digits and '_', like temperature")
_PACK = phrase("pack-name-of-wrong-form", "a pack is named vendor-model: small letters, digits and '-'")
Id = Annotated[str, matching(PLACE_ID, _ID)]
DeviceId = Annotated[str, matching(DEVICE_ID, _DEVICE)]
InstanceName = Annotated[str, matching(INSTANCE_NAME, _NAME)]
MetricKey = Annotated[str, matching(METRIC_KEY, _METRIC)]
Purpose = Annotated[str, Field(min_length=1, max_length=200)]
PackName = Annotated[
    str,
    Field(max_length=64),
    matching(r"[a-z0-9]+(?:-[a-z0-9]+)+", _PACK),
]
Empty = BeforeValidator(_none_is_empty)
"""Reads `places:` with nothing below it as an empty mapping."""


class Section(BaseModel):
    """Base of all parts: unknown keys are errors, values are frozen once read. What pydantic needs to read one is made
    when one is read, so that a section that no file has costs nothing."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=False, defer_build=True)

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        made = handler(core_schema)
        put_codes(cls, handler.resolve_ref_schema(made))
        return made

    @classmethod
    def defaults(cls) -> Self:
        """Return the defaults of all options, without building a validator as `cls()` would."""
        return cls.model_construct()

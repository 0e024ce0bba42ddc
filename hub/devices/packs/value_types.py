"""Types of values in the files of a pack, each with what it refuses. Pure."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from hub.config.field_types import matching, readable
from hub.core.logs import tame
from hub.core.metric_rules import RESOLUTION, ucum_unit
from hub.core.text import phrase, reason_of
from hub.devices.packs.bounds import bounded
from hub.devices.packs.naming import MAX_LABEL


def _label(text: str) -> str:
    try:
        groups = re.compile(text).groupindex
    except re.error as error:
        raise ValueError(
            phrase("not-a-regular-expression", "this is not a regular expression: {reason}", reason=reason_of(error))
        ) from None
    if not bounded(text, MAX_LABEL):
        raise ValueError(
            phrase(
                "label-pattern-too-slow",
                "this pattern could take too long: at most two parts of open length (`*`, `+`), none within "
                "another, no look-around and no references",
            )
        )
    if "dev_eui" not in groups:
        raise ValueError(
            phrase(
                "label-pattern-names-nothing",
                "the pattern of a label names what it finds: (?P<dev_eui>…), perhaps join_eui and app_key too",
            )
        )
    return text


def _shown(text: str) -> str:
    if tame(text) != text or "\n" in text or "\t" in text:
        raise ValueError(
            phrase(
                "text-not-one-line",
                "this is shown to people on one line: no line ends, no control characters, no marks of direction",
            )
        )
    return text


def _hexadecimal(text: str) -> str:
    try:
        bytes.fromhex(text)
    except ValueError:
        raise ValueError(
            phrase("bytes-not-hexadecimal", "bytes are written in hexadecimal, in quotes: an even number of digits")
        ) from None
    return text


Slug = Annotated[
    str,
    matching(
        r"[a-z][a-z0-9_-]{0,47}",
        phrase(
            "instance-name-of-wrong-form",
            "a name here is letters from a to z, digits, '_' and '-', starting with a letter",
        ),
    ),
]
Port = Annotated[int, Field(ge=1, le=223)]
Number = Annotated[float, Field(allow_inf_nan=False)]
File = Annotated[
    str,
    matching(
        r"[A-Za-z0-9_.-]+\.(js|json)", phrase("pack-codec-file-form", "a file of the pack itself: name.js or name.json")
    ),
]
Shown = AfterValidator(_shown)
Text = Annotated[str, Field(min_length=1, max_length=100), Shown]
Unit = Annotated[str, Field(max_length=32), readable(ucum_unit)]
Resolution = Annotated[
    str,
    matching(
        RESOLUTION,
        phrase("resolution-not-above-zero", "a resolution is a decimal number above zero, in quotes: '0.01'"),
    ),
]
Label = Annotated[str, Field(max_length=200), AfterValidator(_label)]
Half = Annotated[
    str, matching(r"[0-9A-Fa-f]{4}", phrase("four-hexadecimal-digits", "four hexadecimal digits, in quotes"))
]
Bytes = Annotated[str, Field(max_length=1024), AfterValidator(_hexadecimal)]

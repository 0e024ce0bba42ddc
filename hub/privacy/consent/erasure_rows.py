"""An erasure as a row of the `alerts` stream: a report whose metrics are those below. Pure.

It is sent at once, like an alert, and again at each start until the backend confirms it; the backend recognises it by
its id. `erase_until` is in Unix seconds; `erase_kind` is "pseudonym" or "device" (`hub.privacy.consent.model`).
"""

from __future__ import annotations

from hub.privacy.consent.model import Erasure
from hub.protocol.records.rows import Column, Row, Shape, Subject

TEXT_METRICS = ("erase", "erase_kind", "erase_name")
SHAPE = Shape(columns=(*(Column(metric=key, kind="text") for key in TEXT_METRICS), Column(metric="erase_until")))
SUBJECT = Subject(device="", integration="privacy")


def row(erasure: Erasure, *, monotonic: float, sure: bool) -> Row:
    time = erasure.asked if sure else monotonic
    values = (erasure.id, erasure.kind, erasure.name, int(erasure.until))
    return Row(SUBJECT, SHAPE, int(time * 1000), sure, values)

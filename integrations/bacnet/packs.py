"""The `objects` of a device pack: an object list, and its readings in vectors. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, Field

import hub
from hub.sdk.phrases import phrase
from integrations.bacnet.names import object_id
from integrations.bacnet.settings import Point, readable
from integrations.bacnet.units import UCUM
from integrations.bacnet.values import Facts, Reading, Translation


class Objects(hub.Config):
    """What a pack of bacnet holds."""

    objects: Annotated[dict[Annotated[str, AfterValidator(readable)], Point], Field(min_length=1, max_length=2000)]

    def metrics(self) -> set[str]:
        return {point.metric for point in self.objects.values()}

    def readings(self, heard: Mapping[str, Any]) -> dict[str, Reading]:
        """Return the readings of a vector. `heard`: object → its present value, or {value, units, texts}, as in the
        device. `units` is the number of BACnetEngineeringUnits."""
        found: dict[str, Reading] = {}
        for name, said in heard.items():
            point = self.objects.get(name)
            if point is None:
                raise ValueError(phrase("bacnet.no-object-in-pack", "the pack has no object {object!r}", object=name))
            whole = said if isinstance(said, dict) else {"value": said}
            if whole.get("units") is not None and whole["units"] not in UCUM:
                raise ValueError(
                    phrase(
                        "bacnet.unknown-unit-number",
                        "{object}: units {number} is no number of a unit that is known",
                        object=name,
                        number=whole["units"],
                    )
                )
            facts = Facts(whole.get("units"), tuple(whole.get("texts", ())), float(whole.get("scale", 1.0)))
            value = Translation(object_id(name), point, facts).reading([whole.get("value")])
            if value is not None:
                found[point.metric] = value
        return found

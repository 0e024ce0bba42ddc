"""The `groups` of a device pack: the communication objects of a device by name, and their readings in vectors.

A pack contains no group addresses, which belong to the building. The settings of a device assign them to the names:

    knx:salle-12:
      integration: knx
      pack: gira-co2-2104
      settings: {addresses: {co2: 1/2/3, temperature: 1/2/4}}

Names that it does not list are not read.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

import hub
from hub.sdk.phrases import phrase
from integrations.knx.settings import MOST_GROUPS, Group

Value = float | int | bool | str
SMALL = ("1", "2", "3")
"""Main numbers of datapoint types whose value is in the low six bits of the APCI."""


class Groups(hub.Config):
    """What a pack of knx holds."""

    groups: Annotated[dict[str, Group], Field(min_length=1, max_length=MOST_GROUPS)]

    def metrics(self) -> set[str]:
        return {group.metric for group in self.groups.values()}

    def readings(self, heard: Mapping[str, Any]) -> dict[str, Value]:
        """Return the readings of a vector. `heard`: name → the octets of the value in hexadecimal; six bits or less
        (1.xxx to 3.xxx) are one octet."""
        from integrations.knx import values

        found: dict[str, Value] = {}
        for name, said in heard.items():
            group = self.groups.get(name)
            if group is None:
                raise ValueError(phrase("knx.no-object-in-pack", "the pack has no object {object!r}", object=name))
            octets = bytes.fromhex(str(said))
            small = group.dpt.partition(".")[0] in SMALL and len(octets) == 1
            found[group.metric] = values.value(group, octets[0] if small else octets)
        return found

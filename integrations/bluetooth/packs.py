"""The `layout` of a device pack: reads over a connection, and their readings in vectors. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

import hub
from hub.sdk.phrases import phrase
from integrations.bluetooth import advert, sig
from integrations.bluetooth.gatt_layout import Characteristic, Values, read


class Layout(hub.Config):
    """What a pack of bluetooth holds."""

    layout: Annotated[tuple[Characteristic, ...], Field(min_length=1, max_length=32)]

    def metrics(self) -> set[str]:
        found: set[str] = set()
        for item in self.layout:
            defined = () if item.fields else (sig.CHARACTERISTICS[item.characteristic].metric,)
            found.update(defined or (field.metric for field in item.fields))
        return found

    def readings(self, heard: Mapping[str, Any]) -> Values:
        """Return the readings of a vector. `heard`: `service/characteristic` → bytes in hexadecimal."""
        known = {(item.service, item.characteristic): item for item in self.layout}
        found: Values = {}
        for place, said in heard.items():
            service, _, characteristic = place.partition("/")
            item = known.get((_key(service), _key(characteristic)))
            if item is None:
                raise ValueError(
                    phrase(
                        "bluetooth.not-in-layout",
                        "the layout has no characteristic {place!r}; expected service/characteristic",
                        place=place,
                    )
                )
            values, _ = read(item, bytes.fromhex(str(said)))
            found |= values
        return found


def _key(text: str) -> str:
    if not advert.is_uuid(text):
        raise ValueError(phrase("bluetooth.not-a-uuid", "{text!r} is not a UUID of 16, 32 or 128 bits", text=text))
    return advert.service_key(text)

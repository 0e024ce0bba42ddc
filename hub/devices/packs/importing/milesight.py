"""Milesight's SensorDecoders: a folder for each model. Blocking.

    <model>-decoder.js    the codec; older folders have <MODEL>_Decoder.js, <MODEL>_TTN.js, <MODEL>_Chirpstack_v4.js
    <model>-codec.json    a payload in `bytes`, and the objects of the device with their units

github.com/Milesight-IoT/SensorDecoders. The payload comes without a port and without what the decoder makes of it: the
maker's manuals give port 85.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hub.devices.packs.importing.found import Example, Found, FoundCodec, payload_of
from hub.devices.packs.importing.texts import object_of, read_json, text_at

LAYOUT = "Milesight"
PORT = 85
_CODE = re.compile(r"(.+?)[-_](decoder|chirpstack_v4|ttn|chirpstack)\.js", re.IGNORECASE)
_BEST = ("decoder", "chirpstack_v4", "ttn", "chirpstack")


def is_layout(folder: Path, names: list[str]) -> bool:
    return any(_CODE.fullmatch(name) for name in names)


def codecs_in(folder: Path, names: list[str]) -> Iterator[tuple[str, Found]]:
    models: dict[str, dict[str, str]] = {}
    for name in names:
        if (match := _CODE.fullmatch(name)) is not None:
            models.setdefault(match[1], {})[match[2].lower()] = name
    for model, forms in models.items():
        name = next(forms[form] for form in _BEST if form in forms)
        described = _described(folder, model)
        found = FoundCodec(
            name=model, code=folder / name, vendor="Milesight" if described or _series(folder) else folder.parent.name,
            model=model.upper(), layout=LAYOUT, port=PORT if described or _series(folder) else None,
        )  # fmt: skip
        if (payload := payload_of(described.get("bytes"))) is not None:
            found.examples.append(Example(payload, PORT))
        yield model, found


def _series(folder: Path) -> bool:
    return re.search(r"[-_]series$", folder.parent.name, re.IGNORECASE) is not None


def _described(folder: Path, model: str) -> dict[str, Any]:
    for name in (f"{model}-codec.json", f"{model}_Codec.json", "codec.json"):
        try:
            return object_of(read_json(text_at(folder / name)))
        except ValueError:
            continue
    return {}

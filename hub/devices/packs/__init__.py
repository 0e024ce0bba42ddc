"""Device packs: vendors' devices as data, without Python.

<vendor-model>/pack.yaml        who makes it, what it speaks, its messages, its metrics, what it can be told
               codec.js         bytes → an object (`hub.devices.codecs`)
               vectors/*.yaml   bytes and the readings they mean, each with its source

format      what these files may hold
maps        packs without a codec: registers, objects, groups, layouts
naming      how they are called
loader      folder → Pack, or every problem with file, line and column
decoding    a codec's answer → samples      downlinks   values within bounds → what the codec encodes
vector_tests every vector through the real worker; a pack that leaves something untested does not pass
library     shipped and installed packs; installation
service     packs at work in a running hub
labels      a device's label or QR code → the pack and the device
importing   folders in the layouts of The Things Network and of ChirpStack → a pack
template    the files of a new pack
"""

from __future__ import annotations

from hub.devices.packs.library import Library as Library
from hub.devices.packs.service import Packs as Packs

"""Device packs: vendors' devices as data, without Python.

<vendor-model>/pack.yaml        maker, protocol, messages, metrics, downlinks
               codec.js         bytes → an object (`hub.devices.codecs`)
               vectors/*.yaml   bytes and the readings they mean, each with its source

format       models of these files
value_types  types of values in them
consistency  contradictions between parts of a pack
maps         packs without a codec: registers, objects, groups, layouts
naming       names of packs and files
loader       folder → Pack, or every problem with file, line and column
decoding     a codec's answer → samples
downlinks    values within bounds → the input of the codec's encoder
vector_tests runs every vector through the real worker; a pack that leaves something untested does not pass
support_vectors  frames of a support file → vectors that a person confirms
library      shipped and installed packs; installation
service      packs in a running hub
labels       text of a device's label or QR code → the pack and the device
importing/   codecs of others, in their layouts → packs that a person reviews
template     the files of a new pack
"""

from __future__ import annotations

from hub.devices.packs.library import Library as Library
from hub.devices.packs.service import Packs as Packs

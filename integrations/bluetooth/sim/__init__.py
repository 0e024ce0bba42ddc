"""A simulated Bluetooth radio: BlueZ's D-Bus interface on a bus of its own, with sensors that advertise.

`python -m integrations.bluetooth.sim` lets the real, unmodified scanner of this hub hear sensors where there is
no Bluetooth at all. It imports nothing of the hub and none of its decoders, so that the two check each other.
"""

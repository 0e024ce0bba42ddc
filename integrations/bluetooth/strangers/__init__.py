"""Support for sensors by third-party parsers: every installed package built on `sensor-state-data` (extra
`ble-sensors`).

    the hub                                    one process: `python -m integrations.bluetooth.strangers`
    feeding: what waits    ─ questions: Ask ─▶  parsers: a fresh object of each kind tries the frame
    mapping: readings      ◀──── Answer ─────   jail: no file, no network, no process, little memory, 50 ms a frame
    child: starts and kills it

The parsers are third-party code fed with hostile bytes, so they never run in the hub's process. The worker gets one
advertisement at a time, and the radio key of that one device when the hub holds it. Its answers are bytes from a
process that may be hostile by then: `mapping`, pure, checks them and turns them into the catalogue's metrics.
"""

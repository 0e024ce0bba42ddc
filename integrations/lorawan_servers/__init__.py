"""Existing LoRaWAN network servers: ChirpStack 4 and The Things Stack 3, by MQTT.

Two integrations of one folder: `chirpstack` and `things_stack` register themselves, everything else is common to both.
A message of a server becomes one of the classes of `parts` (`chirpstack_events`, `things_stack_events`: pure),
`freshness` tells whether it was reported before, `reading` makes reports of it, `driver` carries it all out over the
connection of `client`. The server keeps the keys and checks the frames; the hub keeps the packs, the places and the
readings.
"""

"""LoRaWAN network servers that are there already: ChirpStack 4 and The Things Stack 3, by MQTT.

Two integrations of one folder: `chirpstack` and `things_stack` register themselves, everything else is common to both.
What a server says becomes one of the shapes of `parts` (`chirpstack_events`, `things_stack_events`: pure), `freshness`
says whether it was told before, `reading` makes reports of it, `driver` carries it all out over the connection of
`client`. The server keeps the keys and checks the frames; the hub keeps the packs, the places and the readings.
"""

"""Devices, the places where they stand, and packs that describe them.

    registry     admitted devices by id, with replacements made on site
    places       sites, zones and places; a place outlives the hardware that stands there
    place_names  names of places as people write them, compared, and ids made of them
    vendor_index the signed index that lists and revokes plugins and packs
    packs/       device packs: vendors' devices as data
    codecs/      vendors' payload codecs in JavaScript, run in a process without privileges

May import `sdk` and lower rooms, not `store_and_forward` and `identity`.
"""

"""Formats on disk and on the wire that hub and backend both know. No I/O.

    records/         sealed records of the buffer: framing, columns, seal, opening
    documents/       signed and sealed documents between hub and owner
    enrolment        token and statements of an enrolment; `enrolment_files`: those of one without a network
    link_messages    messages of the link and its signed statements
    length_prefix    unambiguous framing of parts that are signed, hashed or sealed
    ranges           a set of record numbers as ranges
    device_labels/   labels and QR codes of devices, and tables of them
    hub_id           the name of a hub, derived from its key

May import `core`.
"""

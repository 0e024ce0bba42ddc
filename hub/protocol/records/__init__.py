"""Sealed records: the format of what the buffer writes and the backend reads, specified in
`hub.store_and_forward.buffer`.

framing       records in a segment, and how they are found again after damage
rows          reports as rows, with their shapes and subjects
columns       the body of a BLOCK: rows as columns; `integers` packs the numbers, `dictionary` numbers the shapes
bodies        the bodies of TABLE, GAP, CLOCK and LOCAL
compression   zstd (RFC 8878) with a bound on what comes out
seal          an epoch's keys, its announcement, and the seal of each record
opening       the recipient's side: checks an epoch and opens its records
"""

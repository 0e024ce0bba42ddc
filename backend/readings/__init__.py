"""Readings as they are stored, from the body of a record to a chunk, and until they are deleted.

stored_bodies     bodies of records read back; `body_picking` one series out of one
chunks/           the reports of a hub and hour, as they are kept
bucketing         which report belongs to which chunk
compaction        bodies become chunks
series_register   series that arriving records name
retention         days of each privacy class; `purge_clock` judges the clock before anything is deleted
erasures          orders of people to erase
"""

"""Questions to what is stored, each answered out of one snapshot of the database.

views            answers of the operator's API and of commands
listings         lists, a page at a time, by `cursors`
event_feed       what is new, for who follows
series_history   readings of one series, out of chunks and bodies
range_queries    readings of many series in a range; `range_rollups` and `intervals` their figures by interval
"""

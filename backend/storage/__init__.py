"""Storage of the backend: what its rules ask of a database, in their words, and the engines that answer.

engine        writing: streams, epochs, records, clocks, series, alarms, evidence, states, erasures, retention, notes
tables        registry, tokens, alerts, anchors, look-ups, callbacks
chunks        bodies of records, and the chunks that queries read
former_rows   readings as a former release stored them
silences      silent hubs that were told of
processes     the processes that serve a database, and what they share; `process_lines` tells of each
shared        one open database for all tasks of a process
reading_rules privacy classes, days, and which times are believed, in every database
epoch_context the stored context of an epoch
queries       reading, from a snapshot of any thread
copies        what a copy of a database says of itself
opening       the engine that an address names
sqlite        the engine that needs nothing to install
postgresql    the engine of a district
"""

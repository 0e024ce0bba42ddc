"""History: values over time, on the hub itself.

    latest     latest value of each series, in memory
    disk_limits  how long and how much of it stays on disk
    recorder   hands accepted reports to memory, archive and rollups, once a second
    memory/    each reading of the last day, in bounded memory
    archive/   each reading on disk, for as many days as the owner declares
    rollups/   exact hourly and monthly aggregates on disk

May import `devices`, `store_and_forward`, `identity` and lower rooms, not `automation`.
"""

"""The straight path of a report, from `emit` to the buffer.

    pipeline          the path itself: `Pipeline.accept`
    admission/        known, its own, fresh and not a clone? Quarantine for the rest
    plan              everything about a device that does not depend on the value, compiled once
    pulse_counters    pulses turned into the index of a meter
    report_strategy   on change, dead band, period: which readings go further than the latest values
    holding_queue/    reports of sensors that nobody has adopted yet, encrypted, for some days
    recent_frames     the last frames of each device, for support, in memory
    dead_letters/     payloads of admitted devices that no codec could read, until one can

May import `privacy` and lower rooms, not `energy`.
"""

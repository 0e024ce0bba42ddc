"""Sampling raised for a while: what it would cost, said before; done exactly so; undone by itself.

    reasons     why something is not raised, or less than wished, in French and English (pure)
    model       what may be asked more often, and what that costs (pure)
    planner     items and budgets → a plan that exceeds none of them (pure)
    state       what is remembered while it is raised, and until all is as it was (pure)
    expected_periods how often a device is expected to speak meanwhile (pure)
    verification is a device really heard so often? (pure)
    actions     what it does to the parts of a hub: shapes (pure)
    execution   one entry on its way: told, tried again, heard at the new period or not
    service     the calls; what holds, on the disk before anything is told

Polled devices are quickened in memory (`hub.plugin_host.poll_scheduler`): no file is touched. Devices that speak by
themselves are sent the downlink with which their pack sets the period (`downlinks.<name>.period`), and the former
period at the end.
"""

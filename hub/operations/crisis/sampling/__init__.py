"""Sampling raised for a while: what it would cost, said before; done exactly so; undone by itself.

    words       why something is not raised, or less than wished, in French and English (pure)
    items       what may be asked more often, and what that costs (pure)
    planning    items and budgets → a plan that exceeds none of them (pure)
    state       what is remembered while it is raised, and until all is as it was (pure)
    expecting   how often a device is expected to speak meanwhile (pure)
    noticing    is a device really heard so often? (pure)
    hands       what it does to the parts of a hub: shapes (pure)
    carrying    one entry on its way: told, tried again, heard at the new period or not
    desk        the calls; what holds, on the disk before anything is told

Polled devices are quickened in memory (`hub.paces`): no file is touched. Devices that speak by themselves are sent the
downlink with which their pack sets the period (`downlinks.<name>.period`), and the former period at the end.
"""

"""Raised sampling: more frequent reports for a while, with the cost shown before, and undone by itself.

    reasons     reasons for raising a device not at all or less than requested, in French and English (pure)
    model       items that can be sampled more often, and their cost (pure)
    planner     items and budgets → a plan that exceeds none of them (pure)
    state       stored state while sampling is raised, and until all is undone (pure)
    expected_periods expected period of each device meanwhile (pure)
    verification measurement of whether a device reports that often (pure)
    actions     operations on the parts of a hub: protocol (pure)
    execution   progress of one entry: ordered, retried, verified
    service     the calls; each state is on the disk before any device is told

Polled devices are polled faster in memory (`hub.plugin_host.poll_scheduler`): no file is touched. Devices that report
by themselves are sent the downlink with which their pack sets the period (`downlinks.<name>.period`), and the former
period at the end.
"""

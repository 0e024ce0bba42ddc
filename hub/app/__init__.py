"""The composition root: builds the parts of one hub, owns the top TaskGroup and the order of shutdown.

Siblings meet only here, each group of them in a module of its own, in the order in which they are built:

    ground    keys, trust, clock, store, buffer: what outlives everything else
    path      devices, places, plans, the pipeline: the straight path of one report
    watch     rules, alerts, notifiers
    field     packs, buses, commands, integrations and exporters: what speaks to devices and neighbours
    outward   the link to the owner's backend, trust, certificate, backup, mirror
    protect   windows of privacy rules, consents, erasures
    measured  history, hourly aggregates, energy
    shown     adoption, overview, pages: what people meet

A part that runs, answers for itself or has calls is one line in the list that its builder returns (`service.py`).
"""

from hub.app.hub import Hub, Settings, serve

__all__ = ["Hub", "Settings", "serve"]

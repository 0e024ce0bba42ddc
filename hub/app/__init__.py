"""Composition of one hub: builds its parts in order, owns the top task group, starts and stops everything.

Parts do not know their siblings; they are connected here, each group in a module of its own, in the order of building:

    base_services    keys, trust, clock, store and buffer, which outlive everything else
    recording        recorder of history and hourly aggregates, which the path writes to
    reading_path     devices, places, plans and the pipeline: the path of a report
    automation       rules, alerts and notifiers
    plugins          packs, buses, commands, integrations and exporters
    backend_link     the link to the backend, trust, certificates, backups and the mirror
    privacy          windows of privacy rules, consents and erasures
    history          latest values, rollups, raw history and energy
    user_interfaces  adoption, overview and pages
    waiting          a hub that is not enrolled yet; `starting`: the configuration that either starts with
    hub              joins them; `run` runs the result as a process
    unwritable       what runs instead while the disk takes nothing

A part that runs, has a status or has calls is one line in the list that its builder returns (`service`).

May import every room but `cli`.
"""

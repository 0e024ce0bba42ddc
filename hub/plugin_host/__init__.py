"""Plugin host: finds plugins, starts each as a supervised coroutine and classifies how it ends.

    entry_points    plugins that are installed, found without importing them
    registry        what each plugin registers by its hooks
    manifest        what a plugin of somebody else may do, and the judgement of what it says beyond that
    manifest_file   a manifest out of the file in its distribution, with its mistakes by line
    installed       plugins that are installed apart from the hub's environment
    vendor_trust    whose plugins and packs count here
    isolation/      description of a third-party plugin, in a child process
    plugin_types    plugin types and their configuration models
    opening         opens a configuration with all that is installed here
    declared_hosts  hosts, ports and device files that their options name
    plugins         starts, stops and replaces instances
    supervisor      keeps one instance running: error class, back-off, health, quarantine
    pausing         instances that must not run now, with the reason
    probing         reachability of what the configuration names
    finding         searches for devices on a line, before any is added
    searchable      the lines that can be searched, by a finder of this process or of one of its own
    lent_access     ways to devices that a probe or a search is lent
    finding_texts   lines and values of such a search, as plain data
    runtime         an integration's `hub.sdk.session.Session`, over the pipeline
    exporter_view   an exporter's `hub.sdk.session.View`, over the latest values
    notifier_queue  a notifier's `hub.sdk.session.Notices`: a queue that outlives the process
    serial_buses    serial lines shared by several plugins
    poll_scheduler  how often each device is polled
    about           who ships a plugin, where it runs, what it may do, for people
    plugin_facts    diagnostics published by plugins, kept in memory by subject

A transport gets its `hub.sdk.session.Uplink` from `hub.store_and_forward.link`, which runs it.

May import `pipeline` and lower rooms.
"""

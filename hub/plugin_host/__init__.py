"""Plugin host: finds plugins, starts each as a supervised coroutine and classifies how it ends.

    entry_points    plugins that are installed, found without importing them
    registry        what each plugin registers by its hooks
    isolation/      description of a third-party plugin, in a child process
    plugin_types    plugin types and their configuration models
    opening         opens a configuration with all that is installed here
    plugins         starts, stops and replaces instances
    supervisor      keeps one instance running: error class, back-off, health, quarantine
    pausing         instances that must not run now, with the reason
    probing         reachability of what the configuration names
    runtime         an integration's `hub.sdk.session.Session`, over the pipeline
    exporter_view   an exporter's `hub.sdk.session.View`, over the latest values
    notifier_queue  a notifier's `hub.sdk.session.Notices`: a queue that outlives the process
    serial_buses    serial lines shared by several plugins
    poll_scheduler  how often each device is polled
    plugin_facts    diagnostics published by plugins, kept in memory by subject

A transport gets its `hub.sdk.session.Uplink` from `hub.store_and_forward.link`, which runs it.

May import `pipeline` and lower rooms.
"""

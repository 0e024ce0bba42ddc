"""The kit for plugins: what the hub gives them and tools to build with. Plugins import `hub`, and of the hub nothing
else but this room, which is less stable: its names may change with any release, with a line in the changelog.

    session              what a running integration can do
    exporter             API of plugins that show live values to a neighbour
    transport            API of plugins that carry records to the backend
    session_rules        what a session refuses, for the hub and the test kit
    sampling             how often an integration's devices may speak, for raised sampling
    hookspecs            the hooks by which a plugin registers
    notification         API of plugins that carry alerts to people
    http/                HTTP client with the hub's outgoing checks
    http_server          a small HTTP server that strangers may call; `http_handler`, `connections`
    link_values          what a network measures, beside what a payload says
    mqtt                 a connection to a broker
    udp                  a UDP socket on a port that other programs may want too
    serial_line          a serial line or its TCP form, opened by the core
    addresses            listening addresses and networks in a configuration
    jsonpath             where a value stands in a JSON document
    deprecations         what of the plugin API ends, and with which version
    options              base of a plugin's options, and their first error in one line
    tls, nesting         TLS contexts and bounded JSON of `hub.core`
    poll_backoff         pauses between polls of a device that does not answer
    sandbox              Linux limits for a process that reads strangers' bytes; `sandboxed_process` runs one
    seccomp              filters of system calls, for it and for isolated plugins
    sigfox/              messages and callbacks of Sigfox, shared with packs and the backend
    testing/             a session that judges as the hub does, a clock, peers and contract tests for plugins
    pytest_plugin        the same as fixtures of pytest

May import `config`, `i18n` and lower rooms.
"""

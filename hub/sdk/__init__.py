"""What plugins are given and build with. Plugins import `hub`, and of the hub nothing else but this room.

    session              what a running plugin can do
    sampling             how often an integration's devices may speak, for raised sampling
    hookspecs            the hooks by which a plugin registers
    notification         a message of an alert for people
    http/                HTTP client with the hub's outgoing checks
    http_server          a small HTTP server that strangers may call; `http_handler`, `connections`
    mqtt                 a connection to a broker
    serial_line          a serial line or its TCP form, opened by the core
    addresses            listening addresses and networks in a configuration
    jsonpath             where a value stands in a JSON document
    options              errors in a plugin's options
    poll_backoff         pauses between polls of a device that does not answer
    sandbox              Linux limits for a process that reads strangers' bytes; `sandboxed_process` runs one
    sigfox/              messages and callbacks of Sigfox, shared with packs and the backend
    testing              a session and a clock for tests of plugins

May import `config`, `i18n` and lower rooms.
"""

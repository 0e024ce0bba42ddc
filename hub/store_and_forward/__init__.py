"""Store and forward to the backend: nothing is sent before it is on disk, nothing deleted before a signed ack.

    buffer/          the sealed log on disk: commits, segments, recovery, retention
    delivery/        decides what is sent next and what an ack settles; no I/O
    link/            reads the buffer, runs the uplinks and applies what delivery decides
    acked_ranges     which records the backend acknowledged, kept in one object
    egress           every connection that leaves the hub: declared hosts, pinned trust
    egress_http      HTTP of plugins over it, and where a redirect may lead
    egress_network   other streams of plugins over it; and `device_files`
    backend_client   one question to the backend and its checked answer
    mirror           copies of unacknowledged segments on a second disk
    buffer_options   the buffer's options as the configuration writes them

May import `sdk` and lower rooms, not `devices` and `identity`.
"""

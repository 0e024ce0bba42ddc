"""Reference backend: the service that a district runs in its data centre to receive, open and store what hubs seal.

    cli/          `ilot backend …`
    demo/         a simulated town on this machine
    processes/    what runs: a supervisor, and the processes of hubs, operators and compaction
    city/         the city's view: map, alerts that reach a crew, open data
    api/          HTTP: calls of hubs, and the operator's API
    archive/      everything received, in open formats, and back
    conformance/  what any backend must do, checked over the network
    maintenance/  copies, checks, the doctor, data of former releases
    ingest/       a message of a hub: verified, stored, acknowledged
    queries/      readings and lists as callers ask for them
    readings/     readings as they are stored: bodies, chunks, compaction, retention, erasure
    hubs/         who may send, and what is known of each hub
    owner/        the owner's directory: keys, certificates, the trust document
    storage/      what is asked of a database, and its two engines

A room imports only rooms on lower lines; pyproject.toml has the contract. docs/explanation/architecture.md has the way
of a message through them.
"""

"""Findings about a backend in service, each with its remedy: `ilot backend doctor`. Blocking, a few seconds at most.

    findings     a finding and its names
    directory    the owner's directory: files, rights, keys, certificate, the last copy
    machine      disk, a written and synced file, clock, releases
    database_server  PostgreSQL: whether it may write, its standby, its archive
    stored       a sample of the database, hubs, what waits
    examination  all of these, in their order
    server       the server that runs, asked over TLS as a hub would

It changes nothing but for one small file, which it writes, syncs, reads back and removes.
"""

"""Processes of the backend: each has one task, and is started again when it ends.

supervisor         starts the others; it holds no key
ingest_process     hubs, at one port over TLS
api_process        the operator's API and the city's view
compactor_process  compaction, and the watch for silent hubs
process            what each of them does: signals, limits, a word to the supervisor
tls_listener       sockets and TLS; `connections` limits them
api_forwarding     operators' requests that came to the hubs' port
owner_reload       changes of the owner's directory, taken up while it runs
metrics            Prometheus' text; `ingest_metrics` and `compactor_metrics` what two of them count
background_tasks   tasks that end with a block
"""

"""HTTP of the backend: calls of hubs, and the operator's API.

routes        the two servers, and the routes of each; the list of all calls of hubs
hubs          handlers of hubs' calls
operations    the operator's operations, one table; `openapi` describes it, `answers` has the types
reading       handlers that read; `operator` those that need more than a snapshot
parameters    what a query may ask; `guard` checks each request, `problems` says why one is refused
rows          rows of ranges as JSON, CSV, Parquet (`parquet`)
event_stream  live events
requests      helpers of all routes
nonces        challenges for fresh signatures
socket        the socket by which ingest's process hands requests over
"""

"""What the façade lends a plugin for its own I/O, so that no two integrations write it twice (`hub` names each).

addresses   what a configuration may say of who calls and where one listens
jsonpath    where a value stands in a JSON document
lines       a serial line, opened by the core
mqtt        a connection to a broker that tells what went wrong
doorway     a small HTTP server that anybody may call
connections those of a server, and how many at the most
handler     HTTP on one of them

Requests of HTTP are `hub.calling`.
"""

"""Dependencies of this hub, made testable: endpoints, issuers, time sources, mirrors, key holders.

`sources` reads the machine's configuration, `observed` the current connections of the process, `policy` compares both
with what the owner's trust document and the configuration declare.
"""

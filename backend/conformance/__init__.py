"""Conformance suite: the requirements on any backend of Îlot, checked over the network with a throw-away hub.

suite     runs the checks; checks of records: committed, counted once, acknowledged
hubs      checks of states, trust, certificates and admission
checks    shape and result of a check
probe     the enrolled test hub
sender    builder of valid and invalid messages
"""

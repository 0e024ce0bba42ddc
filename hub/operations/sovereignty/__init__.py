"""Whom this hub depends on, made testable: endpoints, issuers, time sources, mirrors, key holders.

`sources` reads what the machine is configured to use, `observed` what its process speaks with at this moment, `policy`
holds both against what the owner's trust document and the configuration declare.
"""

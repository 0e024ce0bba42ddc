"""Certification: a plugin or a pack is examined by rules that a machine can judge, and the result is signed.

    rules        the rules, as data: what each asks, and of what
    project      a vendor's project: distribution, manifest, sources
    sources      what the source code imports and opens by itself. Pure
    contract     the contract tests of the kit, in a process of their own (`contract_child`)
    examination  examines a project by all rules that hold for it
    report       the result, signed and verified

The code of the vendor runs in child processes with this user's rights: certify your own, or on a machine for that.

May import `plugin_host`, `devices` and lower rooms.
"""

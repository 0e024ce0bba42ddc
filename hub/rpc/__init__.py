"""Calls of a running hub. Each module holds the `calls` of one subject for the command line and the pages.

    control_socket  the Unix socket of the `ilot` command
    enrolment       of a hub that waits for its owner
    overview        the state of the hub, for `ilot status`; `autonomy`: how long it can work on its own
    radio           links, margins, batteries and gateways
    availability    the share of each day that a device was present
    history         readings in memory and on disk
    rule_replay     proposed rules: what they can be made of, and how often they would have fired
    privacy         the effect of privacy rules on this hub, in plain words
    audit           the audit log
    counted         refusals counted since the start, each with its words
    diagnostics     an archive for support; `redaction` removes what names people
    support         one file about one device for whoever helps
    packs           device packs, seen and installed
    commands        commands to devices
    rekey           another radio key for a known device

May import `plugin_host` and lower rooms, not `operations` and `onboarding`.
"""

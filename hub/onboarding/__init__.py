"""Onboarding of devices on a running hub.

    adoption/     devices added beside the configuration, one by one or from a list; commissioning and its report
    qr_photos/    QR codes read from an uploaded photograph, in a process without privileges
    other_hubs    whether another hub of the owner heard a device last

May import `plugin_host` and lower rooms, not `rpc` and `operations`.
"""

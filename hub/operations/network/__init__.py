"""Network of this machine: addresses, Wi-Fi, access point, modem, time servers.

NetworkManager, ModemManager and systemd-timesyncd own the settings and are asked over D-Bus; a machine without them is
told so. Nothing of it is in the configuration file.

    service        the part of the hub: the calls `network.*`, the time servers
    changes        a change that is not confirmed comes back
    access_point   the hub's own access point for commissioning: when it is on
    own_facts      its name and key, time servers and refused PINs, in the store
    manager        NetworkManager: interfaces, profiles, scan, checkpoints
    modem          ModemManager: state of a modem, its PIN
    timesync       systemd-timesyncd: time servers
    bus            the system's D-Bus
    profiles       profiles of NetworkManager, and what it answers, as plain values (pure)
    settings       settings that a person gives, checked (pure)

See docs/adr/0119-the-network-is-networkmanagers.md.
"""

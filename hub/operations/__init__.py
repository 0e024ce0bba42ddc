"""Operations on a hub in service.

    backups/           state backups: gather, seal, send, restore
    config_changes/    changes of a running hub's configuration: checked, confirmed, undone
    crisis/            isolation, read-only mode and raised sampling
    doctor/            findings about the machine and the service, each with its remedy
    incidents/         weak signals of an attack, correlated into incidents; the anchor of the audit log
    sovereignty/       the parties on which this hub depends
    network/           addresses, Wi-Fi, access point, modem and time servers of this machine
    releases/          later releases: handed over to root, verified, switched, judged, taken back
    buffer_forwarding  delivery of a buffer copied from another disk
    salvage            delivery of what an old card still shows; the rest is declared lost
    factory_reset      removal of the keys, then of everything else

May import `plugin_host` and lower rooms, not `rpc` and `onboarding`.
"""

"""Operations on a hub in service.

    backups/           state backups: gather, seal, send, restore
    config_changes/    changes of a running hub's configuration: checked, confirmed, undone
    crisis/            isolation, read-only mode and raised sampling
    incidents/         weak signals of an attack, correlated into incidents; the anchor of the audit log
    sovereignty/       the parties on which this hub depends
    buffer_forwarding  delivery of a buffer copied from another disk
    factory_reset      removal of the keys, then of everything else

May import `plugin_host` and lower rooms, not `rpc` and `onboarding`.
"""

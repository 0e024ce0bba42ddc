"""Hubs as the backend knows them: who may send, what each says of itself, and what a person should know of it.

registry          enrolment tokens, hubs, revocation; `enrolment_tables` reads tables of hubs to enrol
states            states that hubs report
alarms            what a person should know of a hub, or of this backend
alerts            alerts of the hubs, and the operator's answers
audit_anchors     heads of the hubs' audit chains
backups           sealed state backups
silences          hubs that fall silent; `silence_watcher` looks for them
"""

"""Adoption: devices that are added while the hub runs, beside those of the configuration.

    label, row, inventory ─▶ request ─▶ device ─▶ durable and audited ─▶ its integration ─▶ waiting ─▶ green | trouble

resolve         a request → the device it means, or what is wrong (`hub.protocol.device_labels` reads labels and tables)
engine          adds, removes, stores keys; all or nothing for each device
tables          the tables in the store
merging         added devices beside the configuration's, and contradictions between them
device_monitor  valid reports of devices, and when the first one came
place_proposals places of a zone that wait for a device, for one that was scanned
audited_store   the store, and what a change of it needs
device_status   the status of a device, in English and French (pure)
service         the calls of the control socket
quarantine      decisions about senders: adopted, ignored, blocked, cleared (`decision_table`: their table)
bulk            Mode recette: bulk adoption by a filter, for some hours
"""

from hub.onboarding.adoption import decision_table, tables
from hub.onboarding.adoption.audited_store import AuditedStore
from hub.onboarding.adoption.bulk import BulkAdoptionService
from hub.onboarding.adoption.device_monitor import DeviceSigns
from hub.onboarding.adoption.engine import DeviceSources
from hub.onboarding.adoption.merging import merge
from hub.onboarding.adoption.quarantine import QuarantineService, SenderChecks
from hub.onboarding.adoption.service import AdoptionService, build_adoption, resolution_context

__all__ = [
    "AdoptionService",
    "AuditedStore",
    "BulkAdoptionService",
    "DeviceSigns",
    "DeviceSources",
    "QuarantineService",
    "SenderChecks",
    "build_adoption",
    "decision_table",
    "merge",
    "resolution_context",
    "tables",
]

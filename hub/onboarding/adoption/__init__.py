"""Adoption: devices that are added while the hub runs, beside those of the configuration.

    label, row, inventory ─▶ wish ─▶ device ─▶ durable and audited ─▶ its integration ─▶ waiting ─▶ green | trouble

resolve         a wish → the device it would be, or what is wrong (`hub.protocol.device_labels` reads labels and tables)
engine          adds, removes, keeps keys; all or nothing for each device
tables          the tables in the store
joining         what commands added beside the configuration, and where they contradict each other
commissioning   who was validly heard, and since when
device_status   how a device stands, in English and French (pure)
service         the calls of the control socket
gate            who waits in quarantine: adopted, ignored, blocked, cleared (`decided`: its table)
bulk            Mode recette: bulk adoption by a filter, for some hours
"""

from hub.onboarding.adoption import decided, tables
from hub.onboarding.adoption.bulk import BulkAdoptionService
from hub.onboarding.adoption.gate import QuarantineService
from hub.onboarding.adoption.joining import merge
from hub.onboarding.adoption.service import AdoptionService, build_adoption

__all__ = [
    "AdoptionService",
    "BulkAdoptionService",
    "QuarantineService",
    "build_adoption",
    "decided",
    "merge",
    "tables",
]

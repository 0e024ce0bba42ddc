"""Adoption: devices that are added while the hub runs, beside those of the configuration.

    label, row, inventory ─▶ wish ─▶ device ─▶ durable and audited ─▶ its integration ─▶ waiting ─▶ green | trouble

resolve         a wish → the device it would be, or what is wrong (`hub.labels` reads labels and tables)
engine          adds, removes, keeps keys; all or nothing for each device
memory          the tables in the store
joining         what commands added beside the configuration, and where they contradict each other
commissioning   who was validly heard, and since when
standing        how a device stands, in English and French (pure)
service         the calls of the control socket
"""

from hub.adoption import memory
from hub.adoption.joining import join
from hub.adoption.service import Service, adopting

__all__ = ["Service", "adopting", "join", "memory"]

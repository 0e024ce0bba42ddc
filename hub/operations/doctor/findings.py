"""A finding of the doctor, and the names of what it looks at. Pure."""

from __future__ import annotations

from typing import NamedTuple

from hub.core.text import phrase

OK, NOTE, WRONG = "ok", "note", "wrong"
"""Right; to be seen to, the hub goes on; wrong."""

SERVICE = phrase("finding-service", "service")
FILES = phrase("finding-files", "files and rights")
STATE_DIRECTORY = phrase("state-directory", "state directory")
KEYS_AT_REST = phrase("keys-at-rest", "keys at rest")
RAW_HISTORY = phrase("raw-history", "raw history")
PROCESS = phrase("finding-process", "process")
MEMORY = phrase("finding-memory", "memory")
DISK = phrase("finding-disk", "disk")
WRITING = phrase("finding-writing", "writing")
FILE_SYSTEM = phrase("finding-file-system", "file system")
CARD = phrase("finding-card", "card")
POWER = phrase("finding-power", "power")
TEMPERATURE = phrase("finding-temperature", "temperature")
RTC = phrase("finding-rtc", "battery-backed clock")
CLOCK = phrase("finding-clock", "clock")
TIME_SERVER = phrase("finding-time-server", "time server")
TIME_ZONE = phrase("finding-time-zone", "time zone")
NETWORK = phrase("finding-network", "network")
ENROLMENT = phrase("finding-enrolment", "enrolment")
CERTIFICATE = phrase("finding-certificate", "certificate")
CONFIGURATION = phrase("finding-configuration", "configuration")
SERIAL_PORT = phrase("finding-serial-port", "serial port")
BLUEZ = phrase("finding-bluez", "Bluetooth")
PLUGINS = phrase("finding-plugins", "plugins")
RADIO = phrase("finding-radio", "radio")
ISOLATION = phrase("finding-isolation", "plugins of others")
BUFFER = phrase("finding-buffer", "buffer")
HUB = phrase("finding-hub", "running hub")
LINK = phrase("finding-link", "link")
TRUST = phrase("finding-trust", "trust")
CONNECTION = phrase("finding-connection", "connection")
PROXY = phrase("finding-proxy", "proxy")
INTERCEPTION = phrase("finding-tls-interception", "TLS interception")
ADMISSION = phrase("finding-admission", "admission")
REFUSAL = phrase("finding-refusal", "refusal")
"""What is looked at."""


class Finding(NamedTuple):
    """A checked item. `remedy` is empty when nothing is to be done."""

    what: str
    state: str
    says: str
    remedy: str = ""

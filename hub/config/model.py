"""Options of the core: the contents of the configuration file, each with its meaning, unit and default.

A plugin's own options are in its `Config`; in the file they are beside the core's keys of its instance (`InstanceKeys`)
or below its name in `link.uplinks` or `exporters`. The parts of the file that belong to plugins are empty in these
models: `hub.config.load.Loaded` has them, read by the plugin's own models.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote, urlsplit
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, SecretStr, model_validator

from hub.config.field_types import DeviceId, Empty, Id, InstanceName, MetricKey, Purpose, Section
from hub.config.parts.admission import Admission
from hub.config.parts.crisis import Crisis, Sovereignty
from hub.config.parts.custom_templates import WrittenTemplate
from hub.config.parts.devices import Bus, DeviceKeys, InstanceKeys, Report
from hub.config.parts.energy import Energy, History, Meter
from hub.config.parts.engine import Engine
from hub.config.parts.notifiers import NotifierKeys
from hub.config.parts.privacy import PrivacySection
from hub.config.parts.pulse import Pulse
from hub.config.parts.rules import Rule
from hub.config.parts.schedules import Calendar, Schedule, SchoolYears
from hub.config.parts.security import Security
from hub.config.parts.vendors import PluginTrust
from hub.config.parts.web import Web
from hub.config.values import Duration, Size
from hub.core.text import phrase

_KB, _MB, _GB = 1 << 10, 1 << 20, 1 << 30


def _timezone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ValueError, OSError, KeyError):
        raise ValueError(
            phrase(
                "time-zone-unknown", "expected a time zone of the IANA database, like Europe/Paris or Indian/Reunion"
            )
        ) from None
    return name


def _proxy(text: str) -> str:
    try:
        parts = urlsplit(text)
        whole = parts.scheme == "http" and parts.hostname and not (parts.path.strip("/") or parts.query)
        plain = parts.username is None and (parts.port or 80)
    except ValueError:
        whole = plain = False
    if not whole:
        raise ValueError(
            phrase("proxy-of-wrong-form", "expected the address of an HTTP proxy, like http://proxy.example.org:3128")
        )
    if not plain:
        raise ValueError(
            phrase(
                "proxy-with-password",
                "user and password do not stand in the address: use proxy_user and proxy_password",
            )
        )
    return text.rstrip("/")


class Hub(Section):
    """This hub."""

    name: str = Field(default="", max_length=100, description="Its name, for people.")
    site: Id | None = Field(default=None, description="The site where it hangs: an id of `sites`.")
    state_dir: Path = Field(
        default=Path("/var/lib/ilot"),
        description="Directory of keys, buffer and store; a relative one starts at this file's directory.",
    )


class Site(Section):
    """One site: a school, a block of flats, a plant."""

    name: str = Field(default="", max_length=100, description="Its name, for people.", title="Name")
    timezone: Annotated[str, AfterValidator(_timezone)] = Field(
        default="Europe/Paris", description="IANA name; hours and months of the reports are counted in it."
    )


class Zone(Section):
    """A functional zone of a building (code de la construction, R175-3)."""

    site: Id = Field(description="The site it belongs to: an id of `sites`.")
    name: str = Field(default="", max_length=100, description="Its name, for people.")
    use: str = Field(
        default="",
        max_length=100,
        description="What it is used for: classrooms, offices, plant room… `dwelling` or `logement` where people live: "
        "then almost all that is measured there is personal.",
    )
    personal: Annotated[dict[MetricKey, Purpose], Empty] = Field(
        default={},
        description="Metrics of class personal that are kept here, each with its purpose. Others are dropped at once.",
    )
    neighbours: Annotated[dict[MetricKey, Annotated[float, Field(gt=0)]], Empty] = Field(
        default={},
        description="How far a reading of class C may be from the median of this zone's devices, by metric, in its "
        "unit; beyond, it is marked uncertain.",
    )


class Position(Section):
    """Where on Earth, WGS 84."""

    latitude: float = Field(ge=-90, le=90, description="North is positive.", json_schema_extra={"unit": "°"})
    longitude: float = Field(ge=-180, le=180, description="East is positive.", json_schema_extra={"unit": "°"})
    accuracy: float | None = Field(default=None, ge=0, description="Radius of 68 %.", json_schema_extra={"unit": "m"})
    altitude: float | None = Field(default=None, description="Above mean sea level.", json_schema_extra={"unit": "m"})


class Place(Section):
    """What a device stands for, and where. It outlives the hardware."""

    zone: Id = Field(description="The zone it is in: an id of `zones`.")
    name: str = Field(default="", max_length=100, description="Its name, for people.")
    role: str = Field(
        default="",
        max_length=100,
        description="What is measured there: room air, boiler flow, main meter…",
        title="Role",
    )
    position: Position | None = Field(default=None, description="Outdoors, or where a plan needs it.")
    pulse: Pulse | None = Field(
        default=None, description="Weight, initial index and corrections of the counter that stands there."
    )
    meter: Meter | None = Field(default=None, description="Facts of the meter that stands there: for sums and reports.")


class Link(Section):
    """The way to the owner's backend."""

    uplinks: Annotated[dict[InstanceName, dict[str, Any]], Empty] = Field(
        default={}, description="Transports to the one backend, by type; they share what has been acknowledged."
    )
    proxy: Annotated[str, AfterValidator(_proxy)] | None = Field(
        default=None, description="HTTP proxy on the way to the backend, which must allow CONNECT: http://host:port."
    )
    proxy_user: str = Field(default="", max_length=256, description="Its user name, where it wants one.")
    proxy_password: SecretStr | None = Field(default=None, description="…and the password, always by way of `!secret`.")
    metered: bool = Field(
        default=False,
        description="The line is billed by volume: readings leave every 5 minutes, alerts at once.",
    )

    @model_validator(mode="after")
    def _proxy_is_whole(self) -> Link:
        if self.proxy is None and (self.proxy_user or self.proxy_password):
            raise ValueError(
                phrase("proxy-missing", "proxy_user and proxy_password need proxy: the address of the proxy")
            )
        if self.proxy_password is not None and not self.proxy_user:
            raise ValueError(phrase("proxy-user-missing", "proxy_password needs proxy_user"))
        return self

    def proxy_url(self) -> str | None:
        """Return address and credentials in one URL. Secret: never shown."""
        if self.proxy is None or not self.proxy_user:
            return self.proxy
        password = self.proxy_password.get_secret_value() if self.proxy_password else ""
        scheme, _, rest = self.proxy.partition("://")
        return f"{scheme}://{quote(self.proxy_user, safe='')}:{quote(password, safe='')}@{rest}"


class Buffer(Section):
    """The sealed log on this hub's disk. The defaults suit a Raspberry Pi with an SD card."""

    window: Duration = Field(
        default=timedelta(seconds=5),
        ge=timedelta(milliseconds=50),
        le=timedelta(minutes=5),
        description="Readings are made durable at least this often: a power cut loses no more than this.",
    )
    window_size: Size = Field(
        default=256 * _KB, ge=4 * _KB, le=16 * _MB, description="…or as soon as this much is waiting in memory."
    )
    urgent: Duration = Field(
        default=timedelta(milliseconds=50),
        ge=timedelta(milliseconds=1),
        le=timedelta(seconds=1),
        description="How long an alert, or a report that must be durable, may wait for others.",
    )
    segment_size: Size = Field(
        default=4 * _MB, ge=64 * _KB, le=64 * _MB, description="A file of the buffer is closed when it is this large."
    )
    segment_age: Duration = Field(
        default=timedelta(days=1),
        ge=timedelta(minutes=1),
        le=timedelta(days=7),
        description="…or this old. Then new keys are made.",
    )
    max_size: Size = Field(
        default=1 * _GB,
        ge=256 * _KB,
        description="The most disk it may take; then the oldest go first, declared as lost. A 16th is for alerts.",
    )
    keep_after_ack: Duration = Field(
        default=timedelta(days=7),
        ge=timedelta(0),
        le=timedelta(days=90),
        description="What the backend has acknowledged stays this long, as the disk allows: a backend put back to an "
        "older copy asks for it again.",
    )
    pending: int = Field(
        default=16384,
        ge=1024,
        le=1_000_000,
        description="The most reports waiting in memory; beyond it, integrations wait.",
        json_schema_extra={"unit": "reports"},
    )
    autonomy_warning: Duration = Field(
        default=timedelta(days=3),
        ge=timedelta(0),
        le=timedelta(days=365),
        description="`ilot status` is degraded when the buffer would be full sooner than this, were the link cut now.",
    )
    mirror: Path | None = Field(
        default=None,
        description="Directory on another disk, a USB stick for instance: segments are copied there until acked.",
    )

    @model_validator(mode="after")
    def _holds_segments(self) -> Buffer:
        if self.max_size < 4 * self.segment_size:
            raise ValueError(
                phrase("buffer-too-small-for-segments", "max_size must hold at least four segments of segment_size")
            )
        return self


class Backup(Section):
    """The state backup, sealed to the owner's recovery key; it goes to the backend every night in any case."""

    directory: Path | None = Field(
        default=None,
        description="Directory, on a USB stick for instance, that keeps the newest three too while it is there.",
    )


class Core(Section):
    """A configuration file, without what belongs to plugins."""

    hub: Annotated[Hub, Empty] = Field(default=Hub.defaults(), description="This hub.")
    sites: Annotated[dict[Id, Annotated[Site, Empty]], Empty] = Field(default={}, description="Sites, by id.")
    zones: Annotated[dict[Id, Zone], Empty] = Field(default={}, description="Functional zones of buildings, by id.")
    places: Annotated[dict[Id, Place], Empty] = Field(default={}, description="What devices stand for, by id.")
    integrations: Annotated[dict[InstanceName, Annotated[InstanceKeys, Empty]], Empty] = Field(
        default={}, description="What speaks to devices: instances, by name."
    )
    buses: Annotated[dict[InstanceName, Bus], Empty] = Field(
        default={}, description="Serial lines that several integrations share, by name."
    )
    devices: Annotated[dict[DeviceId, DeviceKeys], Empty] = Field(default={}, description="Devices, by id.")
    admission: Annotated[Admission, Empty] = Field(
        default=Admission.defaults(), description="Who may speak beside them."
    )
    report: Annotated[Report, Empty] = Field(
        default=Report.defaults(),
        description="Which readings are kept and sent; an instance and a device may say otherwise.",
    )
    exporters: Annotated[dict[InstanceName, dict[str, Any]], Empty] = Field(
        default={}, description="What shows the live values to neighbours, by type."
    )
    schedules: Annotated[dict[Id, Schedule], Empty] = Field(
        default={}, description="Programmes of hours, by id: when rules watch."
    )
    calendars: Annotated[dict[Id, Calendar], Empty] = Field(
        default={}, description="Days with hours that schedules name, by id; `ilot schedule import` makes them of ICS."
    )
    school_years: Annotated[SchoolYears, Empty] = Field(
        default={},
        description="School holidays that this distribution does not ship, or does not have right: by "
        "year and zone, each period from its first to its last day without school, with its name.",
    )
    rule_templates: Annotated[dict[Id, WrittenTemplate], Empty] = Field(
        default={}, description="Rules with inputs, by id, that `rules` use as their template; best a file of its own."
    )
    rules: Annotated[dict[Id, Rule], Empty] = Field(
        default={}, description="What this hub watches by itself and raises alerts for, by id."
    )
    privacy: Annotated[PrivacySection, Empty] = Field(
        default=PrivacySection.defaults(), description="What happens to which data before anything of it is stored."
    )
    notifiers: Annotated[dict[InstanceName, Annotated[NotifierKeys, Empty]], Empty] = Field(
        default={}, description="What carries alerts to people: instances, by name."
    )
    link: Annotated[Link, Empty] = Field(default=Link.defaults(), description="The way to the owner's backend.")
    buffer: Annotated[Buffer, Empty] = Field(
        default=Buffer.defaults(), description="The sealed log on this hub's disk."
    )
    backup: Annotated[Backup, Empty] = Field(
        default=Backup.defaults(), description="The sealed copy of this hub's state."
    )
    history: Annotated[History, Empty] = Field(
        default=History.defaults(), description="What this hub remembers of readings."
    )
    energy: Annotated[Energy, Empty] = Field(default=Energy.defaults(), description="Degree days, drift and reports.")
    web: Annotated[Web | None, Empty] = Field(
        default=None, description="The hub's own pages, served where this section stands, `web: {}` at the least."
    )
    config: Annotated[Engine, Empty] = Field(
        default=Engine.defaults(), description="How this file may be changed on the hub."
    )
    crisis: Annotated[Crisis, Empty] = Field(
        default=Crisis.defaults(), description="What holds when this hub is isolated or read-only."
    )
    security: Annotated[Security, Empty] = Field(
        default=Security.defaults(), description="From how many weak signals on there is an incident."
    )
    sovereignty: Annotated[Sovereignty, Empty] = Field(
        default=Sovereignty.defaults(), description="What this machine may depend on beside the owner's hosts."
    )
    plugins: Annotated[PluginTrust, Empty] = Field(
        default=PluginTrust.defaults(), description="Whose plugins and packs may be installed here."
    )

    @property
    def timezone(self) -> str:
        """Return the IANA name of the hub's own time zone: that of its site, by default Europe/Paris."""
        site = self.sites.get(self.hub.site or "")
        return site.timezone if site is not None else "Europe/Paris"

    def timezone_of(self, site: str | None) -> str:
        """Return the time zone of a site by its id; the hub's own if it has none."""
        known = self.sites.get(site or "")
        return known.timezone if known is not None else self.timezone

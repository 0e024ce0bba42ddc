"""Facts of a commissioning report on the hub itself and the reception of each device."""

from __future__ import annotations

from typing import Any

from hub.app.base_services import BaseServices
from hub.app.plugins import FieldServices
from hub.app.reading_path import ReadingPath
from hub.core.text import phrase
from hub.i18n.catalogues import translate
from hub.identity import keys
from hub.pipeline.admission.quarantine import heard_by
from hub.web.pictures.table import PictureStore
from hub.web.web_part import Web

KEYS = phrase(
    "report-keys-are-files",
    "The keys of this hub are files of its card: from a stolen card all that it keeps for itself can be read (keys of "
    "sensors, accounts, identity); readings that wait stay sealed.",
)
BY_TPM = phrase(
    "report-keys-held-by-tpm",
    "The keys of this hub are held by the TPM of its machine: its card alone gives up neither its identity, nor keys "
    "of sensors that it keeps, nor accounts. The configuration file, its secrets and the logs can still be read.",
)


class CommissioningFacts:
    """Collects the facts of the commissioning report."""

    def __init__(self, base: BaseServices, path: ReadingPath, field: FieldServices, web: Web) -> None:
        self._base, self._path, self._field, self._web = base, path, field, web

    async def facts(self) -> dict[str, Any]:
        """Return {hub, name, version, fingerprint, keys, sites, zones, plugins, pictures, signals}.

        `pictures`: plans and photographs, each with the digest of its bytes, which the report certifies.
        """
        from importlib.metadata import version  # late, because slow to import: see hub.plugin_host.entry_points

        config = self._base.loaded.config
        at_rest = BY_TPM if keys.only_in_tpm(self._base.state.keys) else KEYS
        margins = {one["id"]: one for one in (await self._field.radio.call({}))["devices"]}
        signals = {}
        for device in self._path.devices:
            levels = [level for level in heard_by(self._path.live.last_signal(device.id)).values() if level is not None]
            said = margins.get(device.id, {})
            signals[device.id] = {
                "dbm": max(levels, default=None), "margin": said.get("margin", ""), "margin_db": said.get("margin_db"),
                "fr": said.get("fr", ""), "en": said.get("en", ""),
            }  # fmt: skip
        return {
            "hub": self._base.enrolled.hub, "name": config.hub.name, "version": version("ilot"),
            "fingerprint": self._web.status().get("fingerprint", ""),
            "keys": {"fr": str(translate(at_rest, "fr")), "en": str(at_rest)},
            "sites": {name: {"name": site.name, "timezone": site.timezone} for name, site in config.sites.items()},
            "zones": {name: {"name": zone.name, "site": zone.site} for name, zone in config.zones.items()},
            "plugins": [
                {"name": one.name, "state": one.state, **self._field.plugins.about(one)}
                for one in self._field.plugins.health
            ],
            "pictures": await PictureStore(self._base.store, self._base.clock.now).proved(), "signals": signals,
        }  # fmt: skip

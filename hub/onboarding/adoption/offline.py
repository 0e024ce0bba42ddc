"""Check of devices that commands added, without the hub: `ilot check --adopted`. Blocking.

The store is read as a copy, so that a running hub is not disturbed.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from pathlib import Path

from hub.config.instances import Models
from hub.config.load import Loaded
from hub.core.store import Store
from hub.core.text import phrase
from hub.onboarding.adoption.merging import MergedDevices, merge, where
from hub.onboarding.adoption.resolve import refusal
from hub.onboarding.adoption.tables import AddedDevices, load


def adopted(store: Path, store_key: bytes, loaded: Loaded, models: Models) -> tuple[int, list[str]]:
    """Return how many devices commands added, and their problems with this configuration, a sentence each. Raises
    StorageError when the store is damaged or another hub's."""
    added_devices, joined = asyncio.run(_read(store, store_key, loaded, models))
    kinds = {instance.name: instance.type for instance in loaded.integrations}
    wrong: list[str] = [
        phrase(
            "added-device-configured-too",
            "device {device} stands in {where} and was added by a command too: the configuration counts",
            device=name,
            where=where(name, loaded),
        )
        for name in joined.shadowed
    ]
    wrong += [
        phrase(
            "added-place-in-missing-zone",
            "place {place} of an added device is in zone {zone!r}, which the configuration does not have",
            place=place.id,
            zone=place.zone,
        )
        for place in joined.stray
    ]
    for name, device in added_devices.devices.items():
        if name in joined.shadowed:
            continue
        if device.integration not in kinds:
            wrong.append(
                phrase(
                    "added-device-without-integration",
                    "device {device} was added for integration {integration!r}, which is not configured",
                    device=name,
                    integration=device.integration,
                )
            )
        elif device.pack and models.packs is not None and device.pack not in models.packs:
            wrong.append(
                phrase(
                    "added-device-without-pack",
                    "device {device} has pack {pack}, which is not here",
                    device=name,
                    pack=device.pack,
                )
            )
        elif why := refusal(device, kinds[device.integration], models):
            wrong.append(
                phrase(
                    "added-device-settings-refused",
                    "device {device}: its settings are refused: {reason}",
                    device=name,
                    reason=why,
                )
            )
    return len(added_devices.devices), sorted(wrong)


async def _read(path: Path, store_key: bytes, loaded: Loaded, models: Models) -> tuple[AddedDevices, MergedDevices]:
    with tempfile.TemporaryDirectory(prefix="ilot-check-") as scratch:
        for suffix in ("-journal", ""):  # the journal undoes the part of a change that is in the file already
            source = path.with_name(path.name + suffix)
            if source.exists():
                shutil.copyfile(source, Path(scratch) / source.name)
        store = await Store.open(Path(scratch) / path.name, store_key)
        try:
            added_devices, replaced = await load(store), await store.replaced()
        finally:
            await store.close()
    return added_devices, merge(added_devices, loaded, replaced, models)

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
from hub.onboarding.adoption.merging import MergedDevices, merge, where
from hub.onboarding.adoption.resolve import refusal
from hub.onboarding.adoption.tables import AddedDevices, load


def adopted(store: Path, store_key: bytes, loaded: Loaded, models: Models) -> tuple[int, list[str]]:
    """Return how many devices commands added, and their problems with this configuration, a sentence each. Raises
    StorageError when the store is damaged or another hub's."""
    added_devices, joined = asyncio.run(_read(store, store_key, loaded, models))
    kinds = {instance.name: instance.type for instance in loaded.integrations}
    wrong = [
        f"device {name} stands in {where(name, loaded)} and was added by a command too: the configuration counts"
        for name in joined.shadowed
    ]
    wrong += [
        f"place {place.id} of an added device is in zone {place.zone!r}, which the configuration does not have"
        for place in joined.stray
    ]
    for name, device in added_devices.devices.items():
        if name in joined.shadowed:
            continue
        if device.integration not in kinds:
            wrong.append(f"device {name} was added for integration {device.integration!r}, which is not configured")
        elif device.pack and models.packs is not None and device.pack not in models.packs:
            wrong.append(f"device {name} has pack {device.pack}, which is not here")
        elif why := refusal(device, kinds[device.integration], models):
            wrong.append(f"device {name}: its settings are refused: {why}")
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

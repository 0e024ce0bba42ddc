"""Tables of adoption in the store: devices and places that commands added, keys of expected devices, and the time of
each first report.

A device is durable, and audited, before its integration hears of it. Rows hold msgpack of the structs below.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import apsw
import msgspec

from hub.core.disk.sqlite import transaction
from hub.core.model import Device, Place
from hub.core.store import Store, audit, given_keys
from hub.protocol.device_labels.device_request import DeviceRequest

FirstHeard = dict[str, tuple[bytes, float]]
"""Device → (mark of the key under which it was first heard, when: Unix seconds, 0 before any trusted clock)."""


class AddedDevices(msgspec.Struct, kw_only=True):
    """Stored devices and places that commands added; settings as in JSON."""

    devices: dict[str, Device] = {}
    places: dict[str, Place] = {}
    heard: FirstHeard = {}


async def load(store: Store) -> AddedDevices:
    """Load the tables. Raises StorageError."""
    return await store.call(_added_devices)


async def load_with_keys(store: Store) -> tuple[AddedDevices, dict[str, tuple[bytes, bytes]]]:
    """Load the tables and the keys given by command (`Store.keys`) in one transaction: between two reads a device may
    be given another key, or be adopted, and the first result would undo that. Raises StorageError."""
    return await store.call(lambda db: (_added_devices(db), given_keys(db)))


def _added_devices(db: apsw.Connection) -> AddedDevices:
    devices = db.execute("SELECT body FROM adopted ORDER BY at, id")
    places = db.execute("SELECT body FROM places ORDER BY id")
    heard = db.execute("SELECT device, mark, at FROM heard")
    return AddedDevices(
        devices={d.id: d for d in (msgspec.msgpack.decode(body, type=Device) for (body,) in devices)},
        places={p.id: p for p in (msgspec.msgpack.decode(body, type=Place) for (body,) in places)},
        heard={device: (mark, at) for device, mark, at in heard},
    )


async def adopt(store: Store, devices: Sequence[Device], places: Iterable[Place], at: float, who: str) -> None:
    """Store all of these, or none. Audited, without keys. Raises StorageError."""

    def work(db: apsw.Connection) -> None:
        with transaction(db):
            for place in places:
                _add_place(db, place, at, who)
            for device in devices:
                body = msgspec.msgpack.encode(device)
                known = db.execute("SELECT at FROM adopted WHERE id = ?", (device.id,)).get
                db.execute(
                    "INSERT OR REPLACE INTO adopted VALUES (?, ?, ?)", (device.id, body, at if known is None else known)
                )
                db.execute("DELETE FROM keys WHERE device = ?", (device.id,))
                what = "add" if known is None else "change"
                audit(db, at, who, {"device": what, "id": device.id, "place": device.place, "keyed": bool(device.key)})

    await store.call(work)


def _add_place(db: apsw.Connection, place: Place, at: float, who: str) -> None:
    db.execute("INSERT OR REPLACE INTO places VALUES (?, ?, ?)", (place.id, msgspec.msgpack.encode(place), at))
    audit(db, at, who, {"place": "add", "id": place.id, "zone": place.zone})


async def amend(
    store: Store, stored: Device, former: Device, device: str, at: float, who: str, made: Place | None = None
) -> None:
    """Store another name or place of an adopted device, and the place where it is `made` for that. Audited with the
    former ones; `device` is the one that stands there now. Raises StorageError."""

    def work(db: apsw.Connection) -> None:
        with transaction(db):
            if made is not None:
                _add_place(db, made, at, who)
            db.execute("UPDATE adopted SET body = ? WHERE id = ?", (msgspec.msgpack.encode(stored), stored.id))
            what = {
                "device": "amend", "id": device, "name": stored.name, "place": stored.place,
                "former_name": former.name, "former_place": former.place,
            }  # fmt: skip
            audit(db, at, who, what)

    await store.call(work)


async def name_place(store: Store, place: Place, at: float, who: str) -> None:
    """Store the name of a place that a command made. Audited. Raises StorageError."""

    def work(db: apsw.Connection) -> None:
        with transaction(db):
            db.execute("UPDATE places SET body = ? WHERE id = ?", (msgspec.msgpack.encode(place), place.id))
            audit(db, at, who, {"place": "name", "id": place.id, "name": place.name})

    await store.call(work)


async def drop_place(store: Store, place: str, at: float, who: str) -> None:
    """Delete a place that a command made and where nothing was ever heard. Audited. Raises StorageError."""

    def work(db: apsw.Connection) -> None:
        with transaction(db):
            db.execute("DELETE FROM places WHERE id = ?", (place,))
            audit(db, at, who, {"place": "drop", "id": place})

    await store.call(work)


async def remove(store: Store, line: Sequence[str], at: float, who: str) -> None:
    """Delete an adopted device: `line` is the sequence of devices in its place, the adopted one first. Its place stays.
    Raises StorageError."""

    def work(db: apsw.Connection) -> None:
        with transaction(db):
            db.execute("DELETE FROM adopted WHERE id = ?", (line[0],))
            for device in line:
                for table, column in (("replaced", "old"), ("keys", "device"), ("heard", "device")):
                    db.execute(f"DELETE FROM {table} WHERE {column} = ?", (device,))  # noqa: S608 - constants
            audit(db, at, who, {"device": "remove", "id": line[-1]})

    await store.call(work)


async def store_expected(store: Store, requests: Sequence[DeviceRequest], number: int, at: float, who: str) -> None:
    """Store details of devices that may come: keys, and the other columns of an inventory. `number` is the inventory's:
    one with a lower number changes nothing. Raises StorageError."""

    def work(db: apsw.Connection) -> None:
        with transaction(db):
            for request in requests:
                row = (request.device, msgspec.msgpack.encode(request), number)
                db.execute(
                    "INSERT INTO inventory VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE SET body = excluded.body,"
                    " number = excluded.number WHERE excluded.number >= number",
                    row,
                )
            audit(db, at, who, {"inventory": number, "devices": len(requests)})

    await store.call(work)


async def expected_details(store: Store, devices: Iterable[str]) -> dict[str, tuple[DeviceRequest, int]]:
    """Return the stored details of these devices, with the number of the inventory. Raises StorageError."""
    wanted = list(devices)

    def work(db: apsw.Connection) -> dict[str, tuple[DeviceRequest, int]]:
        rows = (db.execute("SELECT id, body, number FROM inventory WHERE id = ?", (one,)).get for one in wanted)
        return {row[0]: (msgspec.msgpack.decode(row[1], type=DeviceRequest), row[2]) for row in rows if row is not None}

    return await store.call(work)


async def expected(store: Store) -> list[tuple[str, int]]:
    """Return every device that an inventory named, by id, with the inventory's number. Raises StorageError."""
    return await store.call(lambda db: list(db.execute("SELECT id, number FROM inventory ORDER BY id")))


async def store_first_heard(store: Store, heard: FirstHeard) -> None:
    """Store when devices were first heard. Raises StorageError."""

    def work(db: apsw.Connection) -> None:
        with transaction(db):
            for device, (mark, at) in heard.items():
                db.execute("INSERT OR REPLACE INTO heard VALUES (?, ?, ?)", (device, mark, at))

    await store.call(work)

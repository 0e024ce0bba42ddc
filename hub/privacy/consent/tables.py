"""Tables of consents, pseudonym keys and erasures in the hub's store.

The keys are in no backup (`hub.core.store.STAYS`): a key destroyed here cannot be recovered. A restored hub makes new
ones, so its pseudonyms change.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable

import apsw
import msgspec

from hub.core.disk.sqlite import transaction, wipe_journal
from hub.core.store import Store, audit
from hub.core.text import phrase
from hub.privacy.consent.model import DEVICE, PSEUDONYM, Consent, ConsentRefused, Erasure
from hub.privacy.rules_engine.pseudonyms import KEY_BYTES, group_name

_CONSENTS = "SELECT n, person, purpose, zone, given, recorded, by, ended, why FROM consents"
_ERASURES = "SELECT id, kind, name, until, asked, person, confirmed, readings, left FROM erasures"

_PENDING_TRACES = "forgetting"
"""Key in `meta`: (device, place) whose data this hub still has to erase, as msgpack."""

Key = tuple[str, str]
"""(zone, purpose)."""

Traces = list[tuple[str, str]]
"""(device, place) whose data are to be erased on this hub."""


class ConsentTables:
    """Consents and erasures in the store. Each change is one transaction, audited."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def load(self, wanted: Iterable[Key]) -> dict[Key, bytes]:
        """Return the keys of valid consents, and those `wanted`, creating missing ones."""
        asked = list(wanted)

        def work(db: apsw.Connection) -> dict[Key, bytes]:
            live = [
                (str(z), str(p))
                for z, p in db.execute("SELECT DISTINCT zone, purpose FROM consents WHERE ended IS NULL")
            ]
            with transaction(db):
                return {key: _key(db, *key) for key in [*asked, *live]}

        return await self._store.call(work)

    async def consents(self, person: str = "") -> list[Consent]:
        """Return all consents, or those of a person, newest first."""
        rows = await self._store.call(
            lambda db: list(db.execute(f"{_CONSENTS} WHERE ? IN ('', person) ORDER BY n DESC", (person,)))
        )
        return [msgspec.convert(dict(zip(_names(_CONSENTS), row, strict=True)), Consent) for row in rows]

    async def give(self, consent: Consent) -> bytes:
        """Store a consent, audited; returns the key of its pseudonyms.

        Raises ConsentRefused where this person's consent is valid already: two people may enter one form at once.
        """
        same = "SELECT 1 FROM consents WHERE person = ? AND purpose = ? AND zone = ? AND ended IS NULL"
        who = (consent.person, consent.purpose, consent.zone)

        def work(db: apsw.Connection) -> bytes:
            with transaction(db):
                if db.execute(same, who).get is not None:
                    raise ConsentRefused(
                        phrase(
                            "consent-given-already",
                            "{person} has agreed to {purpose} for {zone} already",
                            person=consent.person,
                            purpose=consent.purpose,
                            zone=consent.zone,
                        )
                    )
                db.execute(
                    "INSERT INTO consents (person, purpose, zone, given, recorded, by, why)"
                    " VALUES (?, ?, ?, ?, ?, ?, '')",
                    (consent.person, consent.purpose, consent.zone, consent.given, consent.recorded, consent.by),
                )
                what = {"consent": "given", "person": consent.person, "purpose": consent.purpose, "zone": consent.zone}
                audit(db, consent.recorded, consent.by, {**what, "given": consent.given})
                return _key(db, consent.zone, consent.purpose)

        return await self._store.call(work)

    async def end(
        self, person: str, keys: Iterable[Key], at: float, by: str, why: str, traces: Traces
    ) -> list[Erasure]:
        """End every consent of these homes and purposes, destroy their keys, and record the erasures pending at the
        backend and on this hub (`traces`), in one transaction, audited."""
        ended = list(keys)

        def work(db: apsw.Connection) -> list[Erasure]:
            erasures = []
            with transaction(db):
                for zone, purpose in ended:
                    db.execute(
                        "UPDATE consents SET ended = ?, why = ? WHERE zone = ? AND purpose = ? AND ended IS NULL",
                        (at, why, zone, purpose),
                    )
                    key = db.execute(
                        "SELECT key FROM pseudonym_keys WHERE zone = ? AND purpose = ?", (zone, purpose)
                    ).get
                    db.execute("DELETE FROM pseudonym_keys WHERE zone = ? AND purpose = ?", (zone, purpose))
                    what = {"consent": "withdrawn", "person": person, "purpose": purpose, "zone": zone}
                    if key is not None:
                        erasures.append(_erasure(PSEUDONYM, group_name(bytes(key), zone), at, person))
                        _add(db, erasures[-1])
                        what["erasure"] = erasures[-1].id
                    audit(db, at, by, what)
                _put_pending_traces(db, [*_pending_traces(db), *traces])
            wipe_journal(db)
            return erasures

        return await self._store.call(work)

    async def erase_device(self, device: str, place: str, at: float, by: str) -> Erasure:
        """Record that personal data of a device are to be erased at the backend and on this hub, audited."""

        def work(db: apsw.Connection) -> Erasure:
            with transaction(db):
                erasure = _erasure(DEVICE, device, at, "")
                _add(db, erasure)
                audit(db, at, by, {"device": "erase", "id": device, "erasure": erasure.id})
                _put_pending_traces(db, [*_pending_traces(db), (device, place)])
            return erasure

        return await self._store.call(work)

    async def traces(self) -> Traces:
        """Return what is still to be erased on this hub."""
        return await self._store.call(_pending_traces)

    async def erased(self, traces: Traces) -> None:
        """Record that these were erased on this hub."""

        def work(db: apsw.Connection) -> None:
            with transaction(db):
                _put_pending_traces(db, [one for one in _pending_traces(db) if one not in traces])

        await self._store.call(work)

    async def erasures(self, *, open_only: bool = False) -> list[Erasure]:
        """Return the erasures, newest first."""
        where = " WHERE confirmed IS NULL" if open_only else ""
        rows = await self._store.call(lambda db: list(db.execute(f"{_ERASURES}{where} ORDER BY asked DESC, id")))
        return [msgspec.convert(dict(zip(_names(_ERASURES), row, strict=True)), Erasure) for row in rows]

    async def confirm(self, name: str, at: float, readings: int, left: int) -> None:
        """Record the backend's confirmation; audited."""

        def work(db: apsw.Connection) -> None:
            with transaction(db):
                db.execute(
                    "UPDATE erasures SET confirmed = ?, readings = ?, left = ? WHERE id = ? AND confirmed IS NULL",
                    (at, readings, left, name),
                )
                if db.changes():
                    audit(db, at, "backend", {"erasure": "confirmed", "id": name, "readings": readings})

        await self._store.call(work)


def _erasure(kind: str, name: str, at: float, person: str) -> Erasure:
    return Erasure(id=secrets.token_hex(8), kind=kind, name=name, until=at, asked=at, person=person)


def _add(db: apsw.Connection, erasure: Erasure) -> None:
    db.execute(
        "INSERT INTO erasures (id, kind, name, until, asked, person, readings, left) VALUES (?, ?, ?, ?, ?, ?, 0, 0)",
        (erasure.id, erasure.kind, erasure.name, erasure.until, erasure.asked, erasure.person),
    )


def _pending_traces(db: apsw.Connection) -> Traces:
    body = db.execute("SELECT value FROM meta WHERE key = ?", (_PENDING_TRACES,)).get
    return [] if body is None else msgspec.msgpack.decode(body, type=Traces)


def _put_pending_traces(db: apsw.Connection, traces: Traces) -> None:
    if traces:
        body = msgspec.msgpack.encode(list(dict.fromkeys(traces)))
        db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (_PENDING_TRACES, body))
    else:
        db.execute("DELETE FROM meta WHERE key = ?", (_PENDING_TRACES,))


def _key(db: apsw.Connection, zone: str, purpose: str) -> bytes:
    """Return the key of a home and a purpose, creating it if there is none."""
    known = db.execute("SELECT key FROM pseudonym_keys WHERE zone = ? AND purpose = ?", (zone, purpose)).get
    if known is not None:
        return bytes(known)
    key = secrets.token_bytes(KEY_BYTES)
    db.execute("INSERT INTO pseudonym_keys VALUES (?, ?, ?)", (zone, purpose, key))
    return key


def _names(query: str) -> list[str]:
    return query.removeprefix("SELECT ").split(" FROM ", maxsplit=1)[0].split(", ")

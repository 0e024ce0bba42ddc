"""Key, level and counter of each secured device, stored in the plugin's state, which is encrypted on disk. A counter is
stored together with its reading, in one commit."""

from __future__ import annotations

from hashlib import sha256

import hub
from hub.sdk.phrases import phrase
from integrations.enocean.secure import Level, Opened, Taught, level, open_


class States:
    """The states. Check `secured(device)` first: unencrypted telegrams are accepted only from other devices."""

    def __init__(self, session: hub.Session) -> None:
        self._session = session

    def secured(self, device: hub.Device) -> bool:
        return device.key is not None or self._taught(device.id) is not None

    def learn(self, device: hub.Device, taught: Taught) -> None:
        """Store a teach-in from the pairing window. The device's counter goes on rising, whatever its new rolling code:
        the core accepts no number twice."""
        size = 8 * level(taught.slf).rlc
        last = self._last(device.id, _mark(self._key(device)))
        above = 0 if last is None else ((last >> size) + 1) << size
        self._session.state.put(f"taught/{device.id}", [taught.key, taught.slf])
        self._session.state.put(f"rlc/{device.id}", [_mark(taught.key), above + taught.code - 1])

    def open(self, device: hub.Device, rorg: int, payload: bytes, slf: int | None, code: int | None) -> Opened | None:
        """Decrypt a telegram of the device; None when it is the last one again. `slf` and `code` from its settings: the
        teach-in counts where the configuration has no key. Raises DecodeError, as `secure.open_`; `needs-key`."""
        key, how = self._how(device, slf)
        mark = _mark(key)
        last = self._last(device.id, mark)
        if last is None and code is not None:
            last = code - 1
        return open_(rorg, payload, key, how, last)

    def note(self, device: hub.Device, opened: Opened, slf: int | None) -> None:
        """Use up its counter: call this together with its reading, not before."""
        key, _ = self._how(device, slf)
        self._session.state.put(f"rlc/{device.id}", [_mark(key), opened.counter])

    def proof(self, device: hub.Device, opened: Opened, slf: int | None) -> hub.Proof:
        _, how = self._how(device, slf)
        scheme = "enocean-sec" if how.strong else "enocean-sec-weak"
        return hub.Proof(scheme=scheme, counter=opened.counter, authenticated=True, sealed=how.sealed)

    def _how(self, device: hub.Device, slf: int | None) -> tuple[bytes, Level]:
        taught = self._taught(device.id)
        if device.key is not None:
            if slf is None:
                raise hub.DecodeError(
                    "enocean-slf",
                    phrase("enocean.slf-missing", "its settings have no `slf`: it stands in its maker's documents"),
                )
            return device.key, level(slf)
        if taught is None:
            raise hub.DecodeError(
                "needs-key",
                phrase("enocean.key-missing", "secured: teach it in within a pairing window, or give its key"),
            )
        return taught[0], level(taught[1])

    def _key(self, device: hub.Device) -> bytes:
        taught = self._taught(device.id)
        return device.key or (taught[0] if taught else b"")

    def _taught(self, device: str) -> tuple[bytes, int] | None:
        kept = self._session.state.get(f"taught/{device}")
        return None if kept is None else (bytes(kept[0]), int(kept[1]))

    def _last(self, device: str, mark: bytes) -> int | None:
        """Return the counter of the last telegram with a key."""
        kept = self._session.state.get(f"rlc/{device}")
        return int(kept[1]) if kept is not None and bytes(kept[0]) == mark else None


def _mark(key: bytes) -> bytes:
    """Return a mark that identifies a key without revealing it."""
    return sha256(b"ilot/enocean/1\0" + key).digest()[:8]

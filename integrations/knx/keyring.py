"""Loads and checks the ETS keyring (.knxkeys), and restores the last sequence number of each sender.

KNX AN158 (Data Secure) and AN159 (KNX IP Secure). xknx reads and decrypts it; its own XML parsers expand entities, so
the file goes through a hardened one first.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from xknx.exceptions import InvalidSecureConfiguration, XKNXException
from xknx.secure import Keyring, load_keyring
from xknx.secure.keyring import XMLDevice
from xknx.telegram.address import IndividualAddress

import hub
from hub.sdk.phrases import phrase, system_error
from integrations.knx.project import hardened

LARGEST = 8 << 20
"""Maximum bytes; a keyring of a thousand devices has some 500 KB."""


async def load(path: Path, password: str, sequences: Mapping[str, int]) -> Keyring:
    """Load a keyring. Raises AuthFailed, naming the file and the remedy; NotReady when it cannot be read.

    `sequences` are the last valid sequence numbers by individual address: a telegram with the same or a lower one is
    refused as a replay."""
    try:
        raw = await _read(path)
    except OSError as error:
        raise hub.NotReady(
            phrase(
                "knx.keyring-unreadable",
                "the keyring {file} cannot be read: {reason}",
                file=path,
                reason=system_error(error),
            )
        ) from error
    try:
        hardened.parse([raw], lambda name, attributes: None, lambda name: None)
        keyring = await load_keyring(path, password)
    except hub.DecodeError as error:
        raise hub.AuthFailed(
            phrase(
                "knx.keyring-not-of-ets",
                "the keyring {file} is no file of ETS: {reason}",
                file=path,
                reason=error.detail,
            )
        ) from error
    except (InvalidSecureConfiguration, XKNXException) as error:
        raise hub.AuthFailed(
            phrase(
                "knx.keyring-stays-closed",
                "the keyring {file} does not open: check `keyring_password`, or export it from ETS again",
                file=path,
            )
        ) from error
    except Exception as error:  # xknx decodes its attributes without checks
        raise hub.AuthFailed(
            phrase("knx.keyring-damaged", "the keyring {file} is damaged: export it from ETS again", file=path)
        ) from error
    _recall(keyring, sequences)
    return keyring


async def _read(path: Path) -> bytes:
    import asyncio

    def read() -> bytes:
        with path.open("rb") as file:
            raw = file.read(LARGEST + 1)
        if len(raw) > LARGEST:
            raise hub.AuthFailed(
                phrase(
                    "knx.keyring-too-large",
                    "the keyring {file} has more than {megabytes} MB: that is no keyring",
                    file=path,
                    megabytes=LARGEST >> 20,
                )
            )
        return raw

    return await asyncio.to_thread(read)


def _recall(keyring: Keyring, sequences: Mapping[str, int]) -> None:
    known = {str(device.individual_address): device for device in keyring.devices}
    for address, sequence in sequences.items():
        device = known.get(address)
        if device is None:
            device = XMLDevice()
            device.individual_address = IndividualAddress(address)
            device.sequence_number = 0
            keyring.devices.append(device)
        device.sequence_number = max(device.sequence_number, sequence)

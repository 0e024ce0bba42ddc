"""LoRaWAN 1.0.x cryptography: session keys, MIC, payload (TS001-1.0.4 §4.3.3, §4.4, §6.2.3, §6.2.5). Pure.

    session keys  NwkSKey = AES(AppKey, 01 | JoinNonce 3 | NetID 3 | DevNonce 2 | 0…)        AppSKey the same with 02
    data MIC      first 4 bytes of CMAC(NwkSKey, B0 | message)
                  B0 = 49 | 0 0 0 0 | direction | DevAddr 4 | FCnt 4 | 0 | length of message
    payload       message ⊕ AES(key, A1) | AES(key, A2) | …      AppSKey, or NwkSKey on port 0
                  Ai = 01 | 0 0 0 0 | direction | DevAddr 4 | FCnt 4 | 0 | i
    join MIC      first 4 bytes of CMAC(AppKey, message)
    join accept   MHDR | AES⁻¹(AppKey, fields | MIC): the device, which only encrypts, opens it by encrypting

FCnt is the whole 32-bit counter, of which the air carries 16 bits. `Key` is made once a session: building a cipher
costs five times as much as using it.
"""

from __future__ import annotations

import hmac

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.cmac import CMAC

import hub
from hub.sdk.phrases import phrase
from integrations.lorawan.phy import MIC, Data, JoinAccept, SealedJoinAccept, read_join_accept, unsigned_join_accept

KEY = 16


class Key:
    """An AES-128 key with its ciphers built once. Never printed."""

    __slots__ = ("_cmac", "_ecb", "raw")

    def __init__(self, raw: bytes) -> None:
        """Raises ValueError when `raw` is not 16 bytes."""
        if len(raw) != KEY:
            raise ValueError(
                phrase(
                    "lorawan.key-of-wrong-length",
                    "a LoRaWAN key has {size} bytes, not {count}",
                    size=KEY,
                    count=len(raw),
                )
            )
        self.raw = raw
        # ECB is correct here, one block at a time: each is a counter, or part of a join accept as in the standard.
        self._ecb = Cipher(algorithms.AES(raw), modes.ECB()).encryptor()  # noqa: S305
        self._cmac = CMAC(algorithms.AES(raw))

    def __repr__(self) -> str:
        return "Key(…)"

    def encrypt(self, blocks: bytes) -> bytes:
        return self._ecb.update(blocks)

    def mic(self, message: bytes) -> bytes:
        """Return the first four bytes of the CMAC."""
        cmac = self._cmac.copy()
        cmac.update(message)
        return cmac.finalize()[:MIC]


def session_keys(app_key: bytes, join_nonce: int, net_id: int, dev_nonce: int) -> tuple[bytes, bytes]:
    """Derive (NwkSKey, AppSKey) of a session."""
    seed = join_nonce.to_bytes(3, "little") + net_id.to_bytes(3, "little") + dev_nonce.to_bytes(2, "little") + bytes(7)
    key = Key(app_key)
    return key.encrypt(b"\x01" + seed), key.encrypt(b"\x02" + seed)


def _block(first: int, uplink: bool, dev_addr: int, fcnt: int) -> bytes:
    direction = 0 if uplink else 1
    return b"%c\0\0\0\0%c%b%b\0" % (first, direction, dev_addr.to_bytes(4, "little"), fcnt.to_bytes(4, "little"))


def data_mic(nwk_s_key: Key, uplink: bool, dev_addr: int, fcnt: int, message: bytes) -> bytes:
    """Return the MIC of a data frame; `message` is everything before it, MHDR included; `fcnt` has 32 bits."""
    return nwk_s_key.mic(_block(0x49, uplink, dev_addr, fcnt) + bytes((len(message),)) + message)


def data_mic_ok(nwk_s_key: Key, frame: Data, fcnt: int) -> bool:
    """Return whether the MIC of a parsed data frame fits this 32-bit counter."""
    return hmac.compare_digest(data_mic(nwk_s_key, frame.uplink, frame.dev_addr, fcnt, frame.signed), frame.mic)


def payload(key: Key, uplink: bool, dev_addr: int, fcnt: int, data: bytes) -> bytes:
    """Encrypt or decrypt FRMPayload: both are the same operation."""
    size = len(data)
    if not size:
        return b""
    block = _block(0x01, uplink, dev_addr, fcnt)
    blocks = b"".join([block + bytes((i,)) for i in range(1, (size + 15) // 16 + 1)])
    stream = int.from_bytes(key.encrypt(blocks)[:size], "big")
    return (int.from_bytes(data, "big") ^ stream).to_bytes(size, "big")


def join_mic(app_key: bytes, message: bytes) -> bytes:
    """Return the MIC of a join request, or of a join accept in clear; `message` is everything before it."""
    return Key(app_key).mic(message)


def join_mic_ok(app_key: bytes, message: bytes, mic: bytes) -> bool:
    return hmac.compare_digest(join_mic(app_key, message), mic)


def seal_join_accept(app_key: bytes, accept: JoinAccept) -> bytes:
    """Encode and encrypt the PHYPayload of a join accept."""
    clear = unsigned_join_accept(accept)
    decryptor = Cipher(algorithms.AES(app_key), modes.ECB()).decryptor()  # noqa: S305 - as the standard says
    return clear[:1] + decryptor.update(clear[1:] + join_mic(app_key, clear))


def open_join_accept(app_key: bytes, accept: SealedJoinAccept) -> JoinAccept:
    """Decrypt and check a join accept, as a device does. Raises DecodeError `bad-mic`."""
    clear = Key(app_key).encrypt(accept.sealed)
    if not join_mic_ok(app_key, b"\x20" + clear[:-MIC], clear[-MIC:]):
        raise hub.DecodeError(
            "bad-mic", phrase("lorawan.join-accept-mic-wrong", "wrong key, or a forged or damaged join accept")
        )
    return read_join_accept(clear[:-MIC])

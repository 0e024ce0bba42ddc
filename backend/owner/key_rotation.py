"""Key rotation: another ingest key to seal to, another key to sign acknowledgements. Needs the owner root.

The new TRUST takes effect when it is written: wherever the process stops, the directory can be served. Hubs receive it
with the answer to their next state; until then each is answered with a key that it knows. Records sealed to the former
ingest key can be opened as long as that key lies in `recipients/`.
"""

from __future__ import annotations

import time
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric import ed25519

from backend.owner import directory as owners
from backend.owner import recipient_keys
from backend.owner.directory import NEXT_ACK_KEY, Owner
from backend.owner.key_files import owner_root, write_key_file
from backend.owner.lock import locked
from hub.core.disk.atomic_files import hand_over, make_directory
from hub.core.errors import ConfigError, StorageError
from hub.core.system_errors import file_not_written
from hub.core.text import phrase
from hub.protocol.documents.trust import AckKey, Recipient, sign_trust
from hub.protocol.pem import private_pem
from hub.protocol.records.seal import kid_of


def rotate(
    directory: Path, *, ingest: bool = True, ack: bool = True, withdraw: bool = False, root: Path | None = None
) -> Owner:
    """Make new keys and sign the TRUST that names them; `root` is the folder of the owner root, by default beside them.

    `withdraw`: the former acknowledgement key is compromised, so the new TRUST does not name it any more. Raises
    ConfigError when the root is missing or another owner's, StorageError.
    """
    if not (ingest or ack):
        raise ConfigError(
            phrase(
                "nothing-to-rotate",
                "there is nothing to change: name the ingest key, the acknowledgement key or both",
            )
        )
    with locked(directory):
        return _rotate(directory, ingest=ingest, ack=ack, withdraw=withdraw, root=root)


def _rotate(directory: Path, *, ingest: bool, ack: bool, withdraw: bool, root: Path | None) -> Owner:
    owner = owners.load(directory)
    signer = owner_root(root or directory / "root", owner.settings.root)
    recipients, ack_keys = owner.trust.recipients, owner.trust.ack_keys
    try:
        if ingest:
            made, file = recipient_keys.generate("ingest")
            write_key_file(directory, f"recipients/ingest-{made.kid.hex()[:8]}.key", file)
            others = tuple(known for known in recipients if known.role != "ingest")
            recipients = (Recipient(kid=made.kid, role=made.role, public=made.public), *others)
        if ack:
            key, former = ed25519.Ed25519PrivateKey.generate(), owner.ack_key.public_key().public_bytes_raw()
            make_directory(directory / "acks")
            hand_over(directory / "acks")
            write_key_file(directory, f"acks/{owner.trust.version}.key", private_pem(owner.ack_key))
            write_key_file(directory, NEXT_ACK_KEY, private_pem(key))
            public = key.public_key().public_bytes_raw()
            kept = () if withdraw else tuple(known for known in ack_keys if known.public == former)
            ack_keys = (AckKey(kid=kid_of(public), public=public), *kept)
        trust = msgspec.structs.replace(
            owner.trust, version=owner.trust.version + 1, recipients=recipients, ack_keys=ack_keys, issued=time.time()
        )
        write_key_file(directory, "trust.bin", sign_trust(signer, trust), 0o644)
        if ack:
            (directory / NEXT_ACK_KEY).replace(directory / "ack.key")
    except OSError as error:
        raise StorageError(file_not_written(directory, error)) from error
    return owners.load(directory)

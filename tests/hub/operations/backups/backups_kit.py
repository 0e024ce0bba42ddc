"""A hub that is enrolled and never ran, and its owner: what tests of backups share."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from backend.owner import recipient_keys
from hub.core.state_dir import StateDir
from hub.identity import keys
from hub.operations.backups.gather import of_stopped
from hub.protocol.documents.backup import Contents, open_backup, read
from hub.protocol.documents.recovery_key_file import RecipientKey
from hub.protocol.documents.trust import AckKey, Recipient, Root, Trust, fingerprint, sign_trust
from hub.protocol.records.seal import kid_of

FILES = {"config.yaml": "devices: !include devices.yaml\n", "devices.yaml": "{}\n", "secrets.yaml": "key: '00'\n"}


class Home:
    """An enrolled hub that never ran, and its owner."""

    def __init__(self, root: Path) -> None:
        self.state, self.config, self.root = StateDir(root / "state"), root / "config.yaml", Root.generate()
        self.keys = keys.create(self.state.keys)
        self.ingest, self.recovery = recipient_keys.generate("ingest")[0], recipient_keys.generate("recovery")[0]
        for name, text in FILES.items():
            (root / name).write_text(text)
        (root / "secrets.yaml").chmod(0o600)
        self.trust(1, self.recovery)
        (self.state.path / "tls.crt").write_text("certificate")
        pinned = fingerprint(self.root.public).hex()
        enrolled = {"hub": self.keys.hub_id, "url": "https://localhost:8443", "root": pinned}
        self.state.enrolment.write_text(json.dumps(enrolled))

    def trust(self, version: int, recovery: RecipientKey) -> None:
        """The owner signs a document that names this recovery key."""
        recipients = tuple(Recipient(key.kid, key.role, key.public) for key in (self.ingest, recovery))
        ack = Ed25519PrivateKey.generate().public_key().public_bytes_raw()
        document = Trust(version=version, owner="Owner", recipients=recipients, ack_keys=(AckKey(kid_of(ack), ack),))
        self.state.trust.write_bytes(sign_trust(self.root, document))

    def contents(self, data: bytes, key: RecipientKey | None = None) -> Contents:
        key = key or self.recovery
        return open_backup(read(data), key.kid, key.private)

    def stopped(self) -> bytes:
        return asyncio.run(of_stopped(self.state, self.config))

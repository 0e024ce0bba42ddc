"""What a state backup is gathered from: the hub's own files, as they are at that moment."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from backend import recipient
from hub import keys
from hub.backups.gather import Gatherer, of_stopped
from hub.buffer.seal import kid_of
from hub.documents.backup import Contents, open_backup, read
from hub.documents.recipient import RecipientKey
from hub.documents.trust import AckKey, Recipient, Root, Trust, fingerprint, sign_trust
from hub.errors import StorageError
from hub.state import StateDir
from hub.store import Store

FILES = {"config.yaml": "devices: !include devices.yaml\n", "devices.yaml": "{}\n", "secrets.yaml": "key: '00'\n"}


class Home:
    """An enrolled hub that never ran, and its owner."""

    def __init__(self, root: Path) -> None:
        self.state, self.config, self.root = StateDir(root / "state"), root / "config.yaml", Root.generate()
        self.keys = keys.create(self.state.keys)
        self.ingest, self.recovery = recipient.generate("ingest")[0], recipient.generate("recovery")[0]
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
        document = Trust(
            version=version, owner="Owner", recipients=recipients, ack_keys=(AckKey(kid_of(ack), ack),)
        )  # fmt: skip
        self.state.trust.write_bytes(sign_trust(self.root, document))

    def contents(self, data: bytes, key: RecipientKey | None = None) -> Contents:
        key = key or self.recovery
        return open_backup(read(data), key.kid, key.private)

    def stopped(self) -> bytes:
        return asyncio.run(of_stopped(self.state, self.config))


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def test_it_holds_the_configuration_with_what_it_includes_the_keys_and_the_papers(home: Home) -> None:
    found = home.contents(home.stopped())
    assert found.files == {name: text.encode() for name, text in FILES.items()}
    assert found.keys == {
        name: (home.state.keys / file).read_bytes()
        for name, file in (("identity", "identity.pem"), ("store", "store.key"), ("tls", "tls.pem"))
    }
    assert (found.trust, found.certificate) == (home.state.trust.read_bytes(), b"certificate")
    assert found.enrolment == home.state.enrolment.read_bytes()


def test_each_one_has_a_higher_generation(home: Home) -> None:
    assert [read(home.stopped()).head.generation for _ in range(3)] == [1, 2, 3]


def test_a_configuration_that_is_wrong_is_kept_as_it_is(home: Home) -> None:
    home.config.write_text("hub: [\n")
    found = home.contents(home.stopped())
    assert found.files["config.yaml"] == b"hub: [\n"


def test_it_is_sealed_to_the_recovery_key_that_the_owner_names_by_now(home: Home) -> None:
    before = home.stopped()
    key, _ = recipient.generate("recovery")
    home.trust(2, key)
    after = home.stopped()
    assert read(after).head.trust_version == 2
    assert home.contents(after, key).files == home.contents(before).files
    assert home.recovery.kid not in read(after).caps


async def test_the_fingerprint_follows_the_files_and_nothing_that_the_hub_writes(home: Home) -> None:
    store = await Store.open(home.state.store, home.keys.store_key)
    gatherer = Gatherer(
        state=home.state, hub_keys=home.keys, store=store, buffer=None, config=home.config, files=["devices.yaml"]
    )  # fmt: skip
    seen = [gatherer.fingerprint()]
    await store.put("meta", b"x")
    assert gatherer.fingerprint() == seen[0]
    for path in (
        home.config,
        home.config.parent / "devices.yaml",
        home.config.parent / "secrets.yaml",
        home.state.path / "tls.crt",
    ):
        path.write_text(path.read_text() + "# changed\n")
        seen.append(gatherer.fingerprint())
    assert len(set(seen)) == 5
    (home.config.parent / "devices.yaml").unlink()
    with pytest.raises((OSError, ValueError)):
        gatherer.fingerprint()
    await store.close()


def test_a_running_hub_is_not_backed_up_behind_its_back(home: Home) -> None:
    with home.state.locked(), pytest.raises(StorageError, match="another hub"):
        home.stopped()


def test_pictures_that_make_a_backup_too_large_stay_out_of_it_and_all_else_is_in(
    home: Home, caplog: pytest.LogCaptureFixture
) -> None:
    async def fill(*sizes: int) -> None:
        store = await Store.open(home.state.store, home.keys.store_key)
        await store.put("kept", b"this")
        for size in sizes:
            row = (os.urandom(4).hex(), "Plan", "image/jpeg", os.urandom(size), 0.0, "")
            await store.call(
                lambda db, row=row: db.execute("INSERT INTO plans VALUES (?, ?, ?, ?, ?, ?)", row) and None
            )
        await store.close()

    asyncio.run(fill(4 << 20))
    assert len(home.contents(home.stopped()).store) > 4 << 20
    assert not caplog.records
    asyncio.run(fill(*[4 << 20] * 4))
    image = home.contents(home.stopped()).store
    assert len(image) < 1 << 20
    assert b"this" in image
    assert "without plans of floors and photographs" in caplog.text

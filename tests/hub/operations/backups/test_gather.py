"""What a state backup is gathered from: the hub's own files, as they are at that moment."""

from __future__ import annotations

import asyncio
import os

import pytest
from backups_kit import FILES, Home

from backend.owner import recipient_keys
from hub.core.errors import StorageError
from hub.core.store import Store
from hub.operations.backups.gather import Gatherer
from hub.protocol.documents.backup import read


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


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes files of another user")
def test_a_backup_that_root_makes_of_a_stopped_hub_leaves_nothing_that_the_hub_cannot_write(home: Home) -> None:
    for path in (home.state.path, *home.state.path.rglob("*")):
        os.chown(path, 12345, 12346)
    home.stopped()
    found = {str(path.relative_to(home.state.path)): path.stat().st_uid for path in home.state.path.rglob("*")}
    assert {"store.db", "buffer"} <= set(found), "it made them: this hub never ran"
    assert found == dict.fromkeys(found, 12345)


def test_a_configuration_that_is_wrong_is_kept_as_it_is(home: Home) -> None:
    home.config.write_text("hub: [\n")
    found = home.contents(home.stopped())
    assert found.files["config.yaml"] == b"hub: [\n"


def test_it_is_sealed_to_the_recovery_key_that_the_owner_names_by_now(home: Home) -> None:
    before = home.stopped()
    key, _ = recipient_keys.generate("recovery")
    home.trust(2, key)
    after = home.stopped()
    assert read(after).head.trust_version == 2
    assert home.contents(after, key).files == home.contents(before).files
    assert home.recovery.kid not in read(after).caps


async def test_the_fingerprint_follows_the_files_and_nothing_that_the_hub_writes(home: Home) -> None:
    store = await Store.open(home.state.store, home.keys.store_key)
    gatherer = Gatherer(
        state=home.state, hub_keys=home.keys, store=store, buffer=None, config=home.config, files=["devices.yaml"]
    )
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

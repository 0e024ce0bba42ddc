"""A picture and its entry in the audit log come and go together."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image

from hub.core.errors import StorageError
from hub.core.store import Store
from hub.web.pictures.table import PictureStore


def picture() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (64, 48)).save(out, "png")
    return out.getvalue()


async def test_a_picture_neither_comes_nor_goes_without_its_entry_in_the_audit_log(tmp_path: Path) -> None:
    store = await Store.open(tmp_path / "store.db", b"k" * 32)
    shelf = PictureStore(store, lambda: 1.0)
    stays = await shelf.add(picture(), "Hall", by="web:x", site="school")
    await store.call(
        lambda db: list(db.execute("CREATE TRIGGER no BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'no'); END"))
    )
    with pytest.raises(StorageError):
        await shelf.add(picture(), "Rez", by="web:x")
    with pytest.raises(StorageError):
        await shelf.remove(stays["id"], by="web:x")
    assert [one["id"] for one in await shelf.listed()] == [stays["id"]]
    await store.call(lambda db: list(db.execute("DROP TRIGGER no")))
    await shelf.remove(stays["id"], by="web:x")
    await shelf.remove(stays["id"], by="web:x")
    assert [one.what["photo"] for one in await store.audited()] == ["added", "removed"]
    await store.close()

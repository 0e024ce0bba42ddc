"""A pack out of a vendor's signed bundle: verified, and written into a folder as `ilot pack install` takes one."""

from __future__ import annotations

from pathlib import Path

from hub.core.errors import StorageError
from hub.core.text import phrase, system_error
from hub.devices.packs.archive import MAX_CONTENT_BYTES, MAX_FILES
from hub.operations.plugins.offers import Here, Refused, expect_allowed
from hub.operations.plugins.sources import opened
from hub.plugin_host.vendor_trust import vouched
from hub.protocol.documents.addition import PACK


def unpack_pack(file: Path, into: Path, here: Here) -> Path:
    """Write the pack below `into` and return its folder. Its number is its version, which rises with each. Raises
    HubError; nothing of it may be used then."""
    with opened(file) as source:
        signed = vouched(source.document, here.trust)
        addition = signed.document.addition
        if addition.kind != PACK:
            raise Refused(
                phrase("addition-is-a-plugin", "{id} is a plugin: `ilot plugin install FILE`", id=addition.id)
            )
        if (
            addition.size > MAX_CONTENT_BYTES
            or len(addition.files) > MAX_FILES
            or addition.version != str(addition.counter)
        ):
            raise Refused(
                phrase("pack-bundle-wrong", "{id} is larger than a pack may be, or its number is not its version: tell "
                       "its vendor", id=addition.id)
            )  # fmt: skip
        expect_allowed(signed, here, None, None)
        folder = into / addition.id
        try:
            for one, pieces in source.contents():
                target = folder / one.path
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(b"".join(pieces))
        except OSError as error:
            raise StorageError(
                phrase("pack-not-unpacked", "pack {id} could not be written: {reason}", id=addition.id,
                       reason=system_error(error))
            ) from error  # fmt: skip
    return folder

"""Raw history on disk: every reading of each series, for as many days as the owner declares.

This docstring is the specification of the files. Readings come from `hub.history.memory`, hence after the privacy
engine, each once. They are queued in memory, a few hundred kilobytes at most, and written once an hour, when the queue
is full, and at stop: one file each time, complete or absent, with one sync. A kill or a power cut loses what was not
yet written. Nothing here is in the path of a reading, and nothing there waits for this disk.

    <state>/raw/<first>-<last>-<8 hex digits>.raw       the Unix seconds of its first and last reading; its id's start

    file        head ‖ directory ‖ block …              numbers big-endian
    head        0   8   "ilotraw\\1"
                8   1   cipher: 1 AES-256-GCM, 2 ChaCha20-Poly1305
                9  16   id: random, of this file
               25   8   first second      33  8  last second
               41   4   bytes of the directory, sealed
    directory   sealed: varint count · packed count of the differences between neighbours' series numbers, which rise,
                the first from 0 · packed count of the bytes of their blocks           (`hub.protocol.records.integers`)
    block       sealed: u8 form, then pages of one column (`hub.history.memory`): 0 as they are, 1 by zlib
    sealed      AEAD under a key of its own, nonce twelve zero bytes, associated data the first 41 bytes of the head:
                each key seals once, and a retried write makes another file with another id

    directory's key   HKDF-SHA256(root, salt id, "ilot/raw-directory/1\\0")
    block's key       HKDF-SHA256(root ‖ secret of the series, salt id, "ilot/raw-block/1\\0" ‖ u32 its number)

Both root and secret are needed. *root*, 32 bytes, lies sealed by the machine's TPM 2.0 (`hub.identity.keys.tpm`), in a
key file or in a systemd credential (`keys`). The *secret*, 32 random bytes, is created when a series is first written
and lies in the hub's encrypted store, in a table that no backup includes (`table`). Erasing a series destroys its
secret: its blocks in all files can no longer be decrypted, and are deleted with their files. Later readings are another
series with another secret.

A file is deleted when its last reading is older than the retention; the oldest are deleted when all together are too
large, or when less than `folder.KEEP_FREE` is left on the disk, which belongs to the buffer first. A damaged directory
loses the readings of its hour, a damaged block those of one series in that hour; both are skipped, counted and
reported. A removed or exchanged file goes unnoticed: this is a convenience of the hub; durability is the sealed
buffer's task.

keys      the root key                     table     series and their secrets      blocks   the format (pure)
folder    the files: write, purge, find    recorder  queues, writes, erases and reads
"""

from hub.history.archive.recorder import RawArchive, RootKey

__all__ = ["RawArchive", "RootKey"]

"""Raw history on disk: what each series said, reading by reading, for as many days as the owner declares.

This page is the specification of the files. Readings come from `hub.history.memory`, so from behind the privacy engine,
each once. They wait in memory, a few hundred kilobytes at most, and are written once an hour, when that much waits, and
at stop: one file each time, there whole or not at all, with one sync. A kill or a power cut costs what was not yet
written. Nothing here is in the straight path, and nothing in it waits for this disk.

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
                each key seals once, and a write that is tried again is another file with another id

    directory's key   HKDF-SHA256(root, salt id, "ilot/raw-directory/1\\0")
    block's key       HKDF-SHA256(root ‖ secret of the series, salt id, "ilot/raw-block/1\\0" ‖ u32 its number)

Both halves are needed. *root*, 32 bytes, lies sealed by the machine's TPM 2.0 (`tpm`), in a key file or in a systemd
credential (`keys`). The *secret*, 32 random bytes, is made when a series is written first and lies in the hub's
encrypted store, which no backup takes along (`table`). Erasing a series destroys its secret: its blocks, in every
file, are noise from then on, and go with their files. Whoever speaks there later is another series with another secret.

A file goes when its last reading is older than the policy says, or the oldest goes where all together are too large, or
where less than `folder.KEEP_FREE` is left on the disk: the buffer goes first. A damaged directory costs the readings of
its hour, a damaged block those of one series in that hour; both are skipped, counted and told. A removed or exchanged
file is not noticed as such: this is a convenience of the hub, the sealed buffer is what nothing may be lost of.

roots, tpm   where the root lies            table    series and their secrets       blocks   the format (pure)
folder       the files: write, purge, find  recorder one a hub: takes, writes, erases, reads
"""

from hub.history.archive.recorder import RawDisk

__all__ = ["RawDisk"]

"""The sealed store-and-forward buffer: its format, and the names the rest of the hub uses.

This page is the specification. From it, the three documents it names (`hub.protocol.records.bodies`,
`hub.protocol.records.columns` and `hub.protocol.records.integers`, for what is inside a record) and the cited
standards, a reader can be written without this code. Section 6 says in which order it works; `tests/peers/node` is one.

Notation
    ‖               concatenation
    u8 … u64        unsigned, big-endian; so are all numbers in headers and in lp
    lp(a, b, …)     each part prefixed by its length in bytes, u32
    H               SHA-256
    text            UTF-8
    every label ends in a zero byte, written \\0

1. Files

    <state>/buffer/readings/*.seg       what devices said
    <state>/buffer/alerts/*.seg         alerts, and what was lost
    <state>/buffer/ballast              64 KiB of zeros, given up when the disk is full

The two *streams* are numbered apart. A *run* is one life of the hub's process: 16 random bytes. A record's identity
is (hub, run, stream, seq) and its digest; `seq` counts from 1 without a hole, over all segments of its run.

A *segment* is one append-only file and one epoch, at most 4 MiB and 24 h. Its name is

    <segment number, 10 digits or more>-<run, 32 hex digits>-<first seq, 12 digits or more>.seg

Segment numbers rise within a stream, over all runs. A file is written by the process that created it and never opened
for writing again, except that an unfinished commit at its end is cut at the next start. It begins with the 8 bytes
`ilotseg\\1` (1 is the version of this format); records follow without padding.

2. Records

    offset  size
         0     4  marker C5 49 6C 9D
         4     4  length of the payload, at most 1 MiB
         8     1  kind
         9     1  flags: 1 where more records of the same commit follow, else 0; a reader skips records with any other
                  value, like damage
        10     2  readings in this record: of a BLOCK; 0 in other kinds
        12     8  seq of a BLOCK, GAP, CLOCK · first seq of the segment in EPOCH · own counter, from 1, in TABLE, LOCAL
        20     8  readings of this (run, stream) so far, those of this record included
        28     4  Unix seconds of the commit, by the hub's clock at that time, sure or not
        32     4  CRC-32 (IEEE 802.3, as zlib) of the 32 bytes above
        36     n  payload
      36+n    64  signature, Ed25519 (RFC 8032)
     100+n     4  CRC-32 of payload and signature

    kind        number  payload
    EPOCH 1     no      in the clear, section 3; signed by the hub's identity
    TABLE 2     no      sealed; what numbers in blocks stand for. Precedes the first block that needs it
    BLOCK 3     yes     sealed; up to 4,096 readings as columns
    GAP   4     yes     sealed; what is missing and will never come. In `alerts` only
    CLOCK 5     yes     sealed; dates the monotonic times of one boot. In `readings` only
    LOCAL 6     no      the hub's own small state, under a key of its own. In `readings` only; never leaves the hub

EPOCH and TABLE are written twice, the same bytes: at once, and again at the beginning of the next commit. They always
have flag 1, for alone they are no commit. A reader takes the first intact copy. Damage is skipped by searching the next
marker, from the byte after the one where no intact record stood, with a valid header and payload checksum. Checksums
find damage; only signatures tell who wrote.

3. Epoch

    k               32 random bytes, the AEAD key          e    a fresh Ed25519 key pair
    body            lp("ilot/epoch/1\\0", hub, run, stream, segment number, first seq, previous run, its last seq,
                    its last digest, cipher, e.public, H("ilot/commit/1\\0" ‖ k), kid_1 … kid_n, trust version)
    cap_i           HPKE (RFC 9180) single-shot Base mode, KEM 0x647A (X-Wing), KDF HKDF-SHA256, AEAD AES-256-GCM:
                    encapsulated secret ‖ ciphertext of k to recipient i,
                    info = "ilot/epoch/1\\0" ‖ H(body) ‖ kid_i, aad empty
    payload         body ‖ lp(cap_1 … cap_n)                eid  H(payload)
    signature       IDENTITY over "ilot/epoch-sig/1\\0" ‖ payload

X-Wing (draft-connolly-cfrg-xwing-kem) makes of the two secrets SHA3-256(ML-KEM-768's ‖ X25519's ‖ X25519 ciphertext ‖
X25519 public key ‖ 5C 2E 2F 2F 5E 5C); these 32 bytes are the shared_secret of HPKE's key schedule, as they are.

hub, stream and cipher are text; the cipher is "aes-256-gcm" or "chacha20-poly1305". Numbers are u64. A recipient's
public key is 1,184 bytes of ML-KEM-768 (FIPS 203) and 32 of X25519 (RFC 7748); kid = H of these 1,216. A cap is 1,168
bytes: 1,088 of ML-KEM-768, 32 of X25519, then k encrypted and its tag. IDENTITY is Ed25519; its public key, 32 bytes,
was pinned by the backend when the hub was enrolled, and stands in no segment. The previous run is
the last one that left a record in this stream: 16 zero bytes, 0 and 32 zero bytes when there is none; its digest is
zeros when its last record is damaged. The number of kids follows from the number of parts, (parts − 13) / 2.

4. Sealed records

    nonce           kind ‖ 00 00 00 ‖ seq or own counter (u64): 12 bytes
    payload         AEAD(k).encrypt(nonce, zstd(content), aad = eid ‖ header), tag at the end
    signature       e over "ilot/rec/1\\0" ‖ eid ‖ H(header ‖ payload)
    digest          H(header ‖ payload ‖ signature)

header is the record's first 36 bytes, checksum included. zstd is one finished frame (RFC 8878), which does not tell
the size of its content: at most 1 MiB. LOCAL is sealed with the key HMAC-SHA256(store key, "ilot/local/1\\0" ‖ eid)
instead of k. A number is never sealed twice under one epoch.

Contents of TABLE, GAP, CLOCK and LOCAL are msgpack arrays, stated in `hub.protocol.records.bodies`; of BLOCK, in
`hub.protocol.records.columns`.

5. Commits and damage

One commit is one write and one fdatasync of one segment, which may pass its usual size for it: readings and the
counters of their frames, in LOCAL, are durable together. Each of its records but the last has flag 1: so a write that
a power cut tore is known, also where it tore between two records. A new file also costs an fsync of its directory.
Nothing is reported durable, read or delivered before these returned. After any failed or short write or failed sync
the segment is *poisoned*: this process never writes to it again. What it held in memory is sealed again with the same
numbers, in another segment under another epoch. Therefore:

- Which segment a file is, its EPOCH says: number, run, first seq. The name repeats it, and counts where no EPOCH can
  be read. A file under another's name is taken for what it is; a copy, or what is of another stream, is left alone.
- Of one run, a later segment supersedes every record of earlier ones from its own first seq on, also when nothing in
  it can be read. What it supersedes was never reported durable, so never delivered: one digest per number leaves the
  hub.
- The last commit of the last segment of a stream is *unfinished* when its last intact record says that more follow, or
  ends the commit before, and behind it stands only what a write leaves that was cut short: nothing, zeros, or a
  beginning of one record. Behind that beginning zeros may stand too, when the file's last sector of 512 bytes is all
  zeros. The next start cuts an unfinished commit, from its first record that is neither EPOCH nor TABLE on: readings
  and counters, or neither. Nothing is declared, for nothing of it was promised.
- The last commit of the last segment of a stream is *holed* when a sector of 512 bytes of it is all zeros, in the first
  one from where the commit begins, and a later one is not. It begins behind the last intact record without flag 1 that
  does not end the file. A write that a power cut stopped may have left it so, or the disk itself afterwards.
  Nothing of it counts, from its first record that is neither EPOCH nor TABLE on: readings and counters, or neither. It
  stays in the file, and the numbers that it claims are declared. The next run names its last number, with a digest of
  zeros.
- Any other damage in the last commit, a flipped bit for instance, may have come after the commit was promised. Then the
  intact records of it count, and the numbers that the damaged ones claim are declared. So they are when an earlier
  record of the commit is damaged and its last one is not.
- A record that is missing between a segment's first and last number is declared by a GAP, which is durable in `alerts`
  before anything is skipped for good or unlinked. How many readings a hole held, and between which times, follows
  from the headers of its neighbours; what a whole segment held is kept in LOCAL too
  (`hub.store_and_forward.buffer.manifest`). If both a record and a GAP over it arrive, the record counts.
- A closed segment is *settled* once every number in it is acked or declared lost, and that is durable in LOCAL. It then
  stays as long as is configured (7 days), so that a backend that lost what it had acknowledged can ask for it. The last
  segment of a stream that has a record is kept until there is a newer one: it names this run for the next.
- When the directory reaches its cap, or the disk is full, closed segments go in this order: settled ones of `readings`,
  settled ones of `alerts`, then, declared, the oldest of `readings`, and of `alerts` what is beyond the sixteenth of
  the cap that is theirs alone. With less than 64 MiB free on the disk, settled ones go too.

6. Reading

A reader has files, a recipient's private key and the identity of the hub.

1. It finds the intact records of a file (section 2). The first 8 bytes may be damaged: records begin at byte 8.
2. It takes the first EPOCH whose signature holds, finds the kid of its key among kid_1 … kid_n, opens the cap of that
   place to k, and compares H("ilot/commit/1\\0" ‖ k). When no EPOCH passes, nothing of this segment can be read.
3. It opens every TABLE of the segment before any BLOCK: an intact second copy stands behind the blocks that need it.
4. It opens BLOCK, GAP and CLOCK: signature, cipher, decompression, content. One that fails is refused alone. A record
   with a seq below the segment's first, or a BLOCK with another number of readings than its header says, fails.
5. Over several segments of one run it keeps to the rules of section 5: what a later segment supersedes does not count,
   nor what stands in an unfinished or holed commit at the end of the run's last segment. Elsewhere flag 1 says
   nothing: in the middle of a file, where a later segment follows, or in a message, records count one by one.
6. It dates the reports of a boot by any CLOCK of that boot, in whichever segment or run: Unix ms = monotonic ms +
   (wall − monotonic); of several the one with the smallest error. With an error beyond 1000 ms their quality is at
   least "uncertain". Without one they are ordered and undated.
"""

from hub.protocol.records.rows import ALERTS as ALERTS
from hub.protocol.records.rows import READINGS as READINGS
from hub.protocol.records.rows import Column as Column
from hub.protocol.records.rows import Row as Row
from hub.protocol.records.rows import Shape as Shape
from hub.protocol.records.rows import Subject as Subject
from hub.store_and_forward.buffer.batch import BufferConfig as BufferConfig
from hub.store_and_forward.buffer.buffer import Buffer as Buffer
from hub.store_and_forward.buffer.catalog import StreamState as StreamState
from hub.store_and_forward.buffer.reader import Stored as Stored
from hub.store_and_forward.buffer.status import BufferStatus as BufferStatus
from hub.store_and_forward.buffer.stream import Durable as Durable

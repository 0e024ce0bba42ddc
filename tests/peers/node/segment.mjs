// A segment file: framing, epoch, sealed records. Every line of it follows docs/reference/buffer-format.md.
import { crc32 } from 'node:zlib'
import { decode } from '@msgpack/msgpack'
import { gcm } from '@noble/ciphers/aes.js'
import { chacha20poly1305 } from '@noble/ciphers/chacha.js'
import { ed25519 } from '@noble/curves/ed25519.js'
import { Decompress } from 'fzstd'
import { H, concat, label, lp, need, refuse, same, u32, u64, unlp, utf8 } from './bytes.mjs'
import { readBlock } from './columns.mjs'
import { openBase } from './hpke.mjs'

const MAGIC = Buffer.from('ilotseg\x01', 'latin1')
const NAME = /^(\d{10,19})-([0-9a-f]{32})-(\d{12,19})\.seg$/
const MARKER = Buffer.from('c5496c9d', 'hex')
const [EPOCH, TABLE, BLOCK, GAP, CLOCK, LOCAL] = [1, 2, 3, 4, 5, 6]
const NUMBERED = [BLOCK, GAP, CLOCK]
const [HEADER, SIGNATURE] = [36, 64]
const MAX = 1 << 20
const SECTOR = 512
const MORE = 1
const CIPHERS = { 'aes-256-gcm': gcm, 'chacha20-poly1305': chacha20poly1305 }
const COLUMN = ['metric', 'unit', 'resolution', 'kind', 'device_class', 'state_class', 'privacy']
const SUBJECT = ['device', 'place', 'site', 'zone', 'model', 'integration']

// All that one segment holds for the owner of `keys` (from `recipient`), in order. Bytes that are no intact record and
// records that do not hold are items too. Throws Refused when no epoch of `identity` (Ed25519, 32 bytes) opens.
export function readSegment(data, keys, identity) {
  const found = [...scan(data, MAGIC.length)]
  if (!same(data.subarray(0, MAGIC.length), MAGIC)) found.unshift({ damage: [0, MAGIC.length] })
  return readRecords(found, keys, identity)
}

// The segments of one stream, [file name, bytes] each: what a later one supersedes does not count.
export function readStream(files, keys, identity) {
  const named = files.map(([name, data]) => ({ ...nameOf(name), data })).sort((a, b) => (a.number < b.number ? -1 : 1))
  return named.flatMap(({ name, run, data }, at) => {
    const later = named.slice(at + 1).filter((other) => other.run === run)
    const counts = (item) => item.seq === undefined || later.every((other) => item.seq < other.first)
    const end = later.length ? data.length : finished(data)
    const read = () => readSegment(data.subarray(0, end), keys, identity)
    const items = attempt(read, (why) => [{ kind: 'unopened', name, why }]).filter(counts)
    return end < data.length ? [...items, { kind: 'unfinished', from: end, to: data.length }] : items
  })
}

// Where a commit of which nothing counts begins, at the end of a run's last segment; the length where there is none.
function finished(data) {
  const found = [...scan(data, MAGIC.length)]
  const ends = found.filter((item) => item.header && item.header[9] !== MORE).map((item) => item.at + item.size)
  if (ends.at(-1) === data.length) ends.pop()
  const begun = ends.at(-1) ?? MAGIC.length
  if (sectorLost(data, begun)) {
    const context = (end, { at, kind, size }) => (at === end && (kind === EPOCH || kind === TABLE) ? end + size : end)
    return found.reduce(context, begun)
  }
  const damage = found.at(-1)?.damage ? found.pop().damage[0] : data.length
  if (!cutShort(data, damage)) return data.length
  let end = damage
  while (found.length && found.at(-1).header?.[9] === MORE) {
    const record = found.pop()
    if (record.kind !== EPOCH && record.kind !== TABLE) end = record.at
  }
  return end
}

// Whether a sector reads as zeros, from `at` in it on, and a later one does not.
function sectorLost(data, at) {
  const written = data.findLastIndex((byte) => byte !== 0) + 1
  for (let end = at; (end = (Math.floor(at / SECTOR) + 1) * SECTOR) < written; at = end) {
    if (data.subarray(at, end).every((byte) => byte === 0)) return true
  }
  return false
}

// Whether what stands from `at` on is what a write leaves that was cut short.
function cutShort(data, at) {
  const lastSector = data.subarray(Math.floor((data.length - 1) / SECTOR) * SECTOR)
  let end = data.length
  if (data.subarray(at).every((byte) => byte === 0) || lastSector.every((byte) => byte === 0)) {
    while (end > at && data[end - 1] === 0) end--
  }
  const begun = data.subarray(at, end)
  if (begun.length < HEADER) return same(begun.subarray(0, 4), MARKER.subarray(0, Math.min(4, begun.length)))
  const size = sizeAt(data, at)
  return size !== null && size > begun.length
}

function nameOf(name) {
  const [, number, run, first] = NAME.exec(name) ?? refuse(`${name} is no segment's name`)
  return { name, number: BigInt(number), run, first: BigInt(first) }
}

// The records of one epoch, from a segment or from a message.
export function readRecords(found, keys, identity) {
  const records = found.filter((item) => !item.damage)
  const epoch = firstEpoch(records, keys, identity)
  // All TABLE records first: the intact copy of one may follow the block that needs it.
  const tables = { shapes: new Map(), subjects: new Map() }
  const untold = new Map()
  for (const record of records.filter((item) => item.kind === TABLE)) {
    attempt(() => learn(tables, open(epoch, record)), (why) => untold.set(record, why))
  }
  const items = [{ kind: 'epoch', ...epoch.told }]
  for (const item of found) {
    const refused = (why) => [{ kind: 'refused', record: item.kind, seq: item.seq, why }]
    if (item.damage) items.push({ kind: 'damage', from: item.damage[0], to: item.damage[1] })
    else if (untold.has(item)) items.push({ kind: 'refused', record: TABLE, why: untold.get(item) })
    else if (NUMBERED.includes(item.kind)) items.push(...attempt(() => readRecord(epoch, item, tables), refused))
  }
  return items
}

// Every intact record from `start`, and every span of bytes that is none.
export function* scan(data, start) {
  let [at, damaged] = [start, -1]
  while (at >= 0 && at < data.length) {
    const record = recordAt(data, at)
    if (record) {
      if (damaged >= 0) yield { damage: [damaged, at] }
      damaged = -1
      yield record
      at += record.size
    } else {
      if (damaged < 0) damaged = at
      at = Buffer.from(data.buffer, data.byteOffset, data.length).indexOf(MARKER, at + 1)
    }
  }
  if (damaged >= 0) yield { damage: [damaged, data.length] }
}

// The size of the record whose valid header stands at `at`, else null. The record may reach beyond `data`.
function sizeAt(data, at) {
  const header = data.subarray(at, at + HEADER)
  if (header.length < HEADER || !same(header.subarray(0, 4), MARKER)) return null
  if (crc32(header.subarray(0, 32)) !== u32(header, 32)) return null
  const length = u32(header, 4)
  const [kind, flags] = [header[8], header[9]]
  if (length > MAX || kind < EPOCH || kind > LOCAL || (flags !== 0 && flags !== MORE)) return null
  return HEADER + length + SIGNATURE + 4
}

function recordAt(data, at) {
  const size = sizeAt(data, at)
  if (size === null || at + size > data.length) return null
  const header = data.subarray(at, at + HEADER)
  const [kind, length] = [header[8], size - HEADER - SIGNATURE - 4]
  const sealed = data.subarray(at + HEADER, at + size - 4)
  if (crc32(sealed) !== u32(data, at + size - 4)) return null
  return {
    at,
    size,
    kind,
    header,
    readings: (header[10] << 8) | header[11],
    seq: u64(header, 12),
    commit: u32(header, 28),
    payload: sealed.subarray(0, length),
    signature: sealed.subarray(length),
  }
}

function firstEpoch(records, keys, identity) {
  let problem = 'there is no intact epoch'
  for (const record of records.filter((item) => item.kind === EPOCH)) {
    const epoch = attempt(() => openEpoch(record, keys, identity), (why) => void (problem = why))
    if (epoch) return epoch
  }
  refuse(problem)
}

function openEpoch(record, keys, identity) {
  const { payload, signature } = record
  need(verify(identity, signature, concat(label('ilot/epoch-sig/1'), payload)), 'the epoch is not signed by this hub')
  const parts = unlp(payload)
  const count = (parts.length - 13) / 2
  need(Number.isInteger(count) && count >= 1 && same(parts[0], label('ilot/epoch/1')), 'not the parts of an epoch')
  const [, hub, run, stream, segment, first, before, beforeSeq, beforeDigest, cipher, signer, commitment] = parts
  const kids = parts.slice(12, 12 + count)
  const [trust, ...capsules] = parts.slice(12 + count)
  const info = concat(label('ilot/epoch/1'), H(lp(...parts.slice(0, 13 + count))))
  const at = kids.findIndex((kid) => keys.some((key) => same(key.kid, kid)))
  need(at >= 0, 'sealed to none of our keys')
  const ours = keys.find((key) => same(key.kid, kids[at]))
  const k = openBase(ours, capsules[at], concat(info, kids[at]))
  need(k.length === 32 && same(H(concat(label('ilot/commit/1'), k)), commitment), 'another key than committed to')
  const told = {
    eid: H(payload),
    hub: utf8(hub),
    run,
    stream: utf8(stream),
    segment: u64(segment),
    first_seq: u64(first),
    previous: { run: before, seq: u64(beforeSeq), digest: beforeDigest },
    cipher: utf8(cipher),
    signer,
    kids,
    trust_version: u64(trust),
  }
  return { told, k, seal: CIPHERS[told.cipher] ?? refuse('unknown cipher') }
}

// Signature, cipher, decompression. Returns the content.
function open(epoch, record) {
  const { header, payload, signature } = record
  const signed = concat(label('ilot/rec/1'), epoch.told.eid, H(concat(header, payload)))
  need(verify(epoch.told.signer, signature, signed), 'a record is not signed by its epoch')
  const nonce = concat(Buffer.from([record.kind, 0, 0, 0]), header.subarray(12, 20))
  return expand(epoch.seal(epoch.k, nonce, concat(epoch.told.eid, header)).decrypt(payload))
}

function readRecord(epoch, record, tables) {
  const content = open(epoch, record)
  need(record.seq >= epoch.told.first_seq, 'a record is older than its epoch')
  const { header, payload, signature, seq, commit } = record
  const common = { seq, commit, digest: H(concat(header, payload, signature)) }
  if (record.kind === GAP) {
    const [stream, run, first, last, readings, from, to, reason] = unpack(content, 8)
    return [{ kind: 'gap', ...common, stream, run, first, last, readings, from, to, reason }]
  }
  if (record.kind === CLOCK) {
    const [boot, wall_minus_monotonic_ms, error_ms, source] = unpack(content, 4)
    return [{ kind: 'clock', ...common, boot, wall_minus_monotonic_ms, error_ms, source }]
  }
  const { boot, reports, readings } = readBlock(content, tables.shapes, tables.subjects)
  need(readings === record.readings, 'another number of readings than the header says')
  return reports.map((report) => ({ kind: 'report', ...common, boot, ...report }))
}

function learn(tables, content) {
  const [shapes, subjects] = unpack(content, 2)
  const named = (names, fields) => {
    need(fields.length === names.length, 'a table has other fields')
    return Object.fromEntries(names.map((name, at) => [name, fields[at]]))
  }
  for (const [number, columns] of shapes) tables.shapes.set(BigInt(number), columns.map((fields) => named(COLUMN, fields)))
  for (const [number, fields] of subjects) tables.subjects.set(BigInt(number), named(SUBJECT, fields))
}

function unpack(content, size) {
  const fields = decode(content, { useBigInt64: true })
  need(Array.isArray(fields) && fields.length === size, 'another content than its kind has')
  return fields
}

// One zstd frame of at most 1 MiB.
export function expand(data, most = MAX) {
  const pieces = []
  let size = 0
  new Decompress((piece) => {
    size += piece.length
    need(size <= most, 'a content is too long')
    pieces.push(piece)
  }).push(data, true)
  return concat(...pieces)
}

export function verify(publicKey, signature, message) {
  try {
    return ed25519.verify(signature, message, publicKey, { zip215: false })
  } catch {
    return false
  }
}

// Nothing that is wrong with one record may hide the others.
function attempt(step, otherwise) {
  try {
    return step()
  } catch (error) {
    return otherwise(error.message)
  }
}

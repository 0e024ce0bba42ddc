// The body of a BLOCK: columns to reports.
import { need, refuse, utf8 } from './bytes.mjs'

const MOST = 4096
const [LOW, HIGH] = [-(1n << 63n), (1n << 63n) - 1n]
const NO_RSSI = -32768n

// `shapes` and `subjects` map a number to what TABLE told.
export function readBlock(body, shapes, subjects) {
  const from = new Cursor(body)
  const base = from.byte()
  need(base <= 1, 'unknown time base')
  const boot = base === 1 ? from.take(16) : null
  const reports = []
  let readings = 0
  for (let groups = from.varint(); groups > 0n; groups--) {
    const shape = shapes.get(from.varint()) ?? refuse('a shape was never told')
    const group = readGroup(from, shape, subjects, MOST - readings)
    readings += group.length * shape.length
    reports.push(...group)
  }
  need(from.at === body.length, 'a body goes on after its end')
  return { boot, reports, readings }
}

function readGroup(from, shape, known, room) {
  const s = from.count(1, room)
  let number = 0n
  const subjects = from.packed(s).map((step) => known.get((number += step)) ?? refuse('a subject was never told'))
  const lengths = from.packed(s).map((length) => Number(within(length, 1n, BigInt(MOST))))
  const n = lengths.reduce((sum, length) => sum + length)
  need(n * shape.length <= room, 'more readings than a block may hold')
  // which reports are their subject's first
  const first = lengths.flatMap((length) => [true, ...Array(length - 1).fill(false)])
  const who = subjects.flatMap((subject, at) => Array(lengths[at]).fill(subject))
  const times = readTrack(from, first, s)
  const columns = shape.map((column) => readColumn(from, column, first, s))
  const qualities = from.runs(n).map((quality) => within(quality, 0n, 255n))
  const trusts = from.runs(n).map((trust) => within(trust, 0n, 255n))
  const signals = from.runs(n).map((signal) => within(signal, NO_RSSI, -NO_RSSI - 1n))
  const positions = readPositions(from, n)
  return who.map((subject, at) => ({
    ...subject,
    time_ms: times[at],
    quality: qualities[at],
    trust: trusts[at],
    rssi: signals[at] === NO_RSSI ? null : signals[at],
    position: positions[at],
    readings: shape.map((column, nth) => ({ ...column, value: columns[nth][at] })),
  }))
}

function readTrack(from, first, s) {
  const n = first.length
  const head = from.head()
  if (head.width & 0x80) return from.cells({ ...head, width: head.width & 0x7f }, n).map(whole)
  const starts = from.cells(head, s)
  const steps = n > s ? from.packed(n - s) : []
  let [start, step, item] = [0, 0, 0n]
  return first.map((isFirst) => whole((item = isFirst ? starts[start++] : item + steps[step++])))
}

function readColumn(from, column, first, s) {
  if (column.kind === 'number') return readTrack(from, first, s).map(scaled(column.resolution))
  if (column.kind === 'flag') return from.packed(first.length).map((item) => within(item, 0n, 1n) === 1n)
  const texts = Array.from({ length: from.count(1, first.length) }, () => utf8(from.take(from.count(0, 1 << 20))))
  return from.packed(first.length).map((item) => texts[within(item, 0n, BigInt(texts.length - 1))])
}

// item × resolution: the exact decimal, then the double nearest to it; whole where the resolution is whole.
function scaled(resolution) {
  const [units, decimals = ''] = resolution.split('.')
  const step = BigInt(units + decimals)
  const power = decimals.length
  if (/^0*$/.test(decimals)) return (item) => item * BigInt(units)
  return (item) => {
    const product = item * step
    const digits = (product < 0n ? -product : product).toString().padStart(power + 1, '0')
    return Number(`${product < 0n ? '-' : ''}${digits.slice(0, -power)}.${digits.slice(-power)}`)
  }
}

function readPositions(from, n) {
  const form = from.byte()
  need(form <= 1, 'unknown form of positions')
  if (form === 0) return Array(n).fill(null)
  const has = from.runs(n).map((item) => within(item, 0n, 1n) === 1n)
  const m = has.filter(Boolean).length
  need(m > 0, 'a column of positions without one')
  const degrees = (limit) => from.packed(m).map((item) => scaled('0.0000001')(within(item, -limit, limit)))
  const metres = () => from.packed(m).map((item) => (whole(item) === LOW ? null : scaled('0.01')(item)))
  const found = [degrees(900000000n), degrees(1800000000n), metres(), metres()]
  let at = -1
  return has.map((here) => {
    if (!here) return null
    at++
    const [latitude, longitude, accuracy, altitude] = found.map((column) => column[at])
    return { latitude, longitude, accuracy, altitude }
  })
}

function within(item, low, high) {
  need(item >= low && item <= high, 'an item is out of its range')
  return item
}

function whole(item) {
  return within(item, LOW, HIGH)
}

// Reads varints, packed columns and run lengths; items are BigInt.
class Cursor {
  constructor(data) {
    this.data = data
    this.at = 0
  }

  take(count) {
    need(this.at + count <= this.data.length, 'a body ends early')
    return this.data.subarray(this.at, (this.at += count))
  }

  byte() {
    return this.take(1)[0]
  }

  varint() {
    let number = 0n
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.byte()
      number |= BigInt(byte & 0x7f) << shift
      if (byte < 0x80) {
        need(number < 1n << 64n, 'a varint is longer than 64 bit')
        return number
      }
    }
    refuse('a varint is longer than 64 bit')
  }

  count(least, most) {
    return Number(within(this.varint(), BigInt(least), BigInt(most)))
  }

  head() {
    const coded = this.varint()
    return { base: (coded >> 1n) ^ -(coded & 1n), width: this.byte() }
  }

  packed(n) {
    return this.cells(this.head(), n)
  }

  cells({ base, width }, n) {
    const tight = (width & 0x40) !== 0
    const bits = tight ? width & 0x3f : width * 8
    need(tight ? width < 0x80 && bits % 8 !== 0 : width <= 8, 'a column is too wide')
    const whole = Math.floor(bits / 8)
    const planes = this.take(n * whole)
    const tops = this.bits(bits % 8, n)
    return Array.from({ length: n }, (_, at) => {
      let item = BigInt(tops[at])
      for (let plane = whole - 1; plane >= 0; plane--) item = (item << 8n) | BigInt(planes[plane * n + at])
      return base + item
    })
  }

  // n numbers of so many bits, the most significant bit first.
  bits(count, n) {
    const bytes = this.take(Math.ceil((n * count) / 8))
    const bit = (at) => (bytes[at >> 3] >> (7 - (at & 7))) & 1
    for (let at = n * count; at < bytes.length * 8; at++) need(bit(at) === 0, 'a column is not filled with zeros')
    return Array.from({ length: n }, (_, nth) => {
      let number = 0
      for (let at = nth * count; at < (nth + 1) * count; at++) number = number * 2 + bit(at)
      return number
    })
  }

  runs(n) {
    const r = this.count(0, n)
    if (r === 0) return this.packed(n)
    const values = this.packed(r)
    const lengths = (r === 1 ? [BigInt(n)] : this.packed(r)).map((length) => Number(within(length, 1n, BigInt(n))))
    need(lengths.reduce((sum, length) => sum + length) === n, 'run lengths do not add up')
    return lengths.flatMap((length, at) => Array(length).fill(values[at]))
  }
}

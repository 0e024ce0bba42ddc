// What every part of the reader uses: bytes, length-prefixed parts, SHA-256, JSON with whole 64-bit numbers.
import { sha256 } from '@noble/hashes/sha2.js'

export class Refused extends Error {}

export function refuse(why) {
  throw new Refused(why)
}

export function need(holds, why) {
  if (!holds) refuse(why)
}

export const H = sha256
export const text = (value) => new TextEncoder().encode(value)
export const label = (name) => text(name + '\0')
export const hex = (bytes) => Buffer.from(bytes).toString('hex')
export const same = (a, b) => Buffer.compare(a, b) === 0
export const concat = (...parts) => new Uint8Array(Buffer.concat(parts))

export function utf8(bytes) {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    refuse('a text is not UTF-8')
  }
}

export function u32(bytes, at) {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).readUInt32BE(at)
}

export function u64(bytes, at = 0) {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).readBigUInt64BE(at)
}

export function lp(...parts) {
  const size = (part) => Buffer.from([part.length >>> 24, part.length >>> 16, part.length >>> 8, part.length])
  return concat(...parts.flatMap((part) => [size(part), part]))
}

// The parts of an lp, which fill `bytes` exactly.
export function unlp(bytes) {
  const parts = []
  for (let at = 0; at < bytes.length; ) {
    need(at + 4 <= bytes.length, 'a length is cut')
    const end = at + 4 + u32(bytes, at)
    need(end <= bytes.length, 'a part reaches beyond the end')
    parts.push(bytes.subarray(at + 4, end))
    at = end
  }
  return parts
}

// JSON in which a BigInt is a plain number, however large.
export function toJson(value) {
  if (typeof value === 'bigint') return value.toString()
  if (value instanceof Uint8Array) return JSON.stringify(hex(value))
  if (Array.isArray(value)) return `[${value.map(toJson).join(',')}]`
  if (value !== null && typeof value === 'object')
    return `{${Object.entries(value).map(([key, item]) => `${JSON.stringify(key)}:${toJson(item)}`).join(',')}}`
  return JSON.stringify(value)
}

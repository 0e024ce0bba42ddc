// Badges of a district and its list of those withdrawn, and the passphrase of one.
// Written from docs/reference/badges.md; argon2id is that of @noble/hashes.
import { decode } from '@msgpack/msgpack'
import { argon2id } from '@noble/hashes/argon2.js'
import { H, concat, label, lp, need, same, text, unlp, utf8 } from './bytes.mjs'
import { verify } from './segment.mjs'

const ROLES = ['lecteur', 'auditeur', 'technicien', 'administrateur']
const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'
const CROCKFORD = { O: '0', I: '1', L: '1' }

function base32(word) {
  const out = []
  let value = 0
  let bits = 0
  for (const char of word) {
    const digit = ALPHABET.indexOf(char)
    need(digit >= 0, 'no base32')
    value = ((value << 5) | digit) & 0xfff
    bits += 5
    if (bits >= 8) {
      bits -= 8
      out.push((value >> bits) & 255)
    }
  }
  return new Uint8Array(out)
}

function payloadOf(name, parts, keys) {
  need(parts.length === 3, 'three parts: payload, key id, signature')
  const [payload, kid, signature] = parts
  const key = keys.find((one) => same(H(one).subarray(0, 8), kid))
  need(key, 'signed by a key that the trust document does not name')
  need(verify(key, signature, lp(label(name), payload)), 'the signature does not hold')
  return decode(payload, { useBigInt64: true })
}

// What a badge says; `keys` are the raw public halves of the trust document's badge_keys.
export function readBadge(word, keys) {
  const whole = word.replace(/\s/g, '').toUpperCase()
  need(whole.startsWith('ILOT1:') && whole.length <= 2048, 'a badge starts with ILOT1:')
  const fields = payloadOf('ilot/badge/1', unlp(base32(whole.slice(6))), keys)
  need(Array.isArray(fields) && fields.length >= 7, 'seven fields')
  const [id, name, role, sites, begin, until, secret] = fields
  need(id.length === 8 && secret.length === 49 && secret[0] === 1, 'an id of 8 bytes, a secret of 49 of version 1')
  need(ROLES.includes(role), 'no such role')
  const [from, to] = [BigInt(begin), BigInt(until)]
  need(to > from && to - from <= 30n * 86400n, 'good for at most 30 days')
  return { id, name, role, sites, begin: from, until: to, secret }
}

// Which badges are withdrawn.
export function readRevoked(document, keys) {
  const parts = unlp(document)
  need(parts.length === 4 && same(parts[0], label('ilot/badges-revoked/1')), 'no list of badges')
  const [number, issued, ids] = payloadOf('ilot/badges-revoked/1', parts.slice(1), keys)
  return { number: BigInt(number), issued: BigInt(issued), ids }
}

// Whether this is the passphrase of a badge, as somebody typed it.
export function passphraseFits(secret, typed) {
  const plain = [...utf8(typed).toUpperCase()].filter((char) => /[\p{L}\p{N}]/u.test(char))
  const code = plain.map((char) => CROCKFORD[char] ?? char).slice(0, 10)
  const word = [code.slice(0, 5).join(''), code.slice(5).join('')].filter(Boolean).join('-').normalize('NFKC')
  const hash = argon2id(text(word), secret.subarray(1, 17), { t: 2, m: 19 * 1024, p: 1, dkLen: 32 })
  return same(concat(hash), secret.subarray(17))
}

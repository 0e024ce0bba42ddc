// What travels: messages, replies, signed statements, the trust document, a state backup, the proof of an enrolment.
// Every line of it follows docs/reference/link-protocol.md.
import { decode } from '@msgpack/msgpack'
import { gcm } from '@noble/ciphers/aes.js'
import { hmac } from '@noble/hashes/hmac.js'
import { sha256 } from '@noble/hashes/sha2.js'
import { ml_dsa65 } from '@noble/post-quantum/ml-dsa.js'
import { H, concat, label, lp, need, same, text, u32, unlp, utf8 } from './bytes.mjs'
import { openBase } from './hpke.mjs'
import { expand, readRecords, scan, verify } from './segment.mjs'

// The groups of a records message, each opened with `keys` for the hub of `identity`; before them what the state that
// came with them says, where one did.
export function readMessage(body, keys, identity) {
  const stated = same(body.subarray(0, 4), text('ILM2'))
  need(stated || same(body.subarray(0, 4), text('ILM1')), 'a message starts with ILM1 or ILM2')
  const first = stated ? 8 + u32(body, 4) : 4
  need(first <= body.length, 'the state of a message ends early')
  const groups = stated ? [[readSigned(body.subarray(8, first), 'state', [identity])]] : []
  for (let at = first; at < body.length; ) {
    need(at + 36 <= body.length, "a group's head ends early")
    const end = at + 36 + u32(body, at + 32)
    need(end > at + 36 && end <= body.length, 'a group is empty or reaches beyond the end')
    const found = [...scan(body.subarray(at + 36, end), 0)]
    need(!found.some((item) => item.damage), 'bytes of a message are no intact record')
    const items = readRecords(found, keys, identity)
    need(same(items[0].eid, body.subarray(at, at + 32)), 'a group holds another epoch than it names')
    groups.push(items)
    at = end
  }
  need(groups.length > (stated ? 1 : 0), 'a message holds at least one group')
  return groups
}

// {acks: [signed ack …], need: [eid …], trust, certificate, speaks}; what is left out is empty
export function readReply(body) {
  return unpack(body)
}

// The payload of an ack or a state, whose label is `kind`, signed by one of `publicKeys` (Ed25519, 32 bytes).
export function readSigned(blob, kind, publicKeys) {
  const parts = unlp(blob)
  const name = label(`ilot/${kind}/1`)
  need(parts.length === 4 && same(parts[0], name), 'another statement')
  const [, payload, kid, signature] = parts
  const key = publicKeys.find((publicKey) => same(H(publicKey), kid))
  need(key && verify(key, signature, concat(lp(name), payload)), 'not signed by one of these keys')
  const told = unpack(payload)
  need(told.t === kind, 'it calls itself something else')
  return told
}

// What the owner says, signed by the root of this fingerprint.
export function readTrust(document, fingerprint) {
  const parts = unlp(document)
  const name = label('ilot/trust/1')
  need(parts.length === 6 && same(parts[0], name), 'no trust document')
  const [, payload, signature, latticeSignature, root, latticeRoot] = parts
  need(same(H(lp(label('ilot/root/1'), root, latticeRoot)), fingerprint), 'another root')
  const signed = concat(lp(name), payload)
  need(verify(root, signature, signed), 'the Ed25519 signature does not hold')
  need(ml_dsa65.verify(latticeSignature, signed, latticeRoot), 'the ML-DSA-65 signature does not hold')
  return JSON.parse(utf8(payload))
}

// Head and contents of a state backup, for a recovery key.
export function readBackup(document, key) {
  const parts = unlp(document)
  const name = label('ilot/backup/1')
  need(parts.length >= 6 && parts.length % 2 === 0 && same(parts[0], name), 'no state backup')
  const [, rawHead, sealed, ...more] = parts
  const signature = more.pop()
  const head = unpack(rawHead)
  const told = document.subarray(0, document.length - 4 - signature.length)
  need(verify(head.identity, signature, concat(label('ilot/backup-sig/1'), told)), 'not signed by the hub it names')
  const at = more.findIndex((part, nth) => nth % 2 === 0 && same(part, key.kid))
  need(at >= 0, 'sealed to another key')
  const info = concat(name, H(rawHead))
  const k = openBase(key, more[at + 1], concat(info, key.kid))
  need(same(H(concat(label('ilot/commit/1'), k)), head.commitment), 'another key than committed to')
  const contents = gcm(k, new Uint8Array(12), info).decrypt(sealed)
  return { head, contents: unpack(expand(contents, 64 << 20)) }
}

// What shows that a hub holds the secret of an enrolment token.
export function enrolmentProof(secret, identity, request) {
  return hmac(sha256, secret, lp(identity, request))
}

function unpack(bytes) {
  return decode(bytes, { useBigInt64: true })
}

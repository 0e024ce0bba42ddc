// For the tests: one JSON object a line in, one out. Every argument is base64, a list of them, or a name.
import { createInterface } from 'node:readline'
import { passphraseFits, readBadge, readRevoked } from './badges.mjs'
import { toJson, utf8 } from './bytes.mjs'
import { recipient } from './hpke.mjs'
import { enrolmentProof, readBackup, readMessage, readReply, readSigned, readTrust } from './link.mjs'
import { readSegment, readStream } from './segment.mjs'

const bytes = (base64) => new Uint8Array(Buffer.from(base64, 'base64'))
const known = new Map()

function key(base64) {
  if (!known.has(base64)) known.set(base64, recipient(bytes(base64)))
  return known.get(base64)
}

const calls = {
  segment: ({ data, keys, identity }) => readSegment(bytes(data), keys.map(key), bytes(identity)),
  stream: ({ files, keys, identity }) =>
    readStream(files.map(([name, data]) => [name, bytes(data)]), keys.map(key), bytes(identity)),
  message: ({ data, keys, identity }) => readMessage(bytes(data), keys.map(key), bytes(identity)),
  reply: ({ data }) => readReply(bytes(data)),
  signed: ({ data, kind, keys }) => readSigned(bytes(data), kind, keys.map(bytes)),
  trust: ({ data, fingerprint }) => readTrust(bytes(data), bytes(fingerprint)),
  backup: ({ data, key: base64 }) => readBackup(bytes(data), key(base64)),
  badge: ({ word, keys }) => readBadge(utf8(bytes(word)), keys.map(bytes)),
  revoked: ({ data, keys }) => readRevoked(bytes(data), keys.map(bytes)),
  passphrase: ({ secret, typed }) => passphraseFits(bytes(secret), bytes(typed)),
  proof: ({ secret, identity, request }) => enrolmentProof(bytes(secret), bytes(identity), bytes(request)),
}

for await (const line of createInterface({ input: process.stdin })) {
  const { call, ...given } = JSON.parse(line)
  let answer
  try {
    answer = { result: calls[call](given) }
  } catch (error) {
    answer = { refused: error.message }
  }
  console.log(toJson(answer))
}

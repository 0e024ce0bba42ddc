// RFC 9180, single-shot Base mode, with KEM 0x647A: X-Wing (draft-connolly-cfrg-xwing-kem), HKDF-SHA256, AES-256-GCM.
// A private key is 96 bytes: the ML-KEM-768 seed d ‖ z (64) and the X25519 key (32).
import { gcm } from '@noble/ciphers/aes.js'
import { x25519 } from '@noble/curves/ed25519.js'
import { expand, extract } from '@noble/hashes/hkdf.js'
import { sha3_256 } from '@noble/hashes/sha3.js'
import { sha256 } from '@noble/hashes/sha2.js'
import { ml_kem768 } from '@noble/post-quantum/ml-kem.js'
import { H, concat, need, refuse, text } from './bytes.mjs'

const ENCAPSULATED = 1088 + 32
const SUITE = concat(text('HPKE'), Buffer.from([0x64, 0x7a, 0, 1, 0, 2]))
const XWING_LABEL = Buffer.from('5c2e2f2f5e5c', 'hex')
const NOTHING = new Uint8Array(0)

// A private key with its public half and its key id.
export function recipient(encoding) {
  need(encoding.length === 96, 'a private key has 96 bytes')
  const lattice = ml_kem768.keygen(encoding.subarray(0, 64))
  const curve = encoding.subarray(64)
  const publicKey = concat(lattice.publicKey, x25519.getPublicKey(curve))
  return { kid: H(publicKey), lattice: lattice.secretKey, curve, publicKey }
}

// What `capsule` (encapsulated secret ‖ ciphertext) holds for `key`.
export function openBase(key, capsule, info) {
  try {
    return openWith(decapsulate(key, capsule.subarray(0, ENCAPSULATED)), capsule.subarray(ENCAPSULATED), info)
  } catch {
    refuse('the capsule for our key does not open')
  }
}

function decapsulate(key, encapsulated) {
  const [lattice, curve] = [encapsulated.subarray(0, 1088), encapsulated.subarray(1088)]
  const shared = [ml_kem768.decapsulate(lattice, key.lattice), x25519.getSharedSecret(key.curve, curve)]
  return sha3_256(concat(...shared, curve, x25519.getPublicKey(key.curve), XWING_LABEL))
}

function openWith(shared, ciphertext, info) {
  const context = concat(
    Buffer.from([0]),
    labeledExtract(NOTHING, 'psk_id_hash', NOTHING),
    labeledExtract(NOTHING, 'info_hash', info),
  )
  const secret = labeledExtract(shared, 'secret', NOTHING)
  const nonce = labeledExpand(secret, 'base_nonce', context, 12)
  return gcm(labeledExpand(secret, 'key', context, 32), nonce).decrypt(ciphertext)
}

function labeledExtract(salt, name, material) {
  return extract(sha256, concat(text('HPKE-v1'), SUITE, text(name), material), salt)
}

function labeledExpand(secret, name, info, length) {
  return expand(sha256, secret, concat(Buffer.from([0, length]), text('HPKE-v1'), SUITE, text(name), info), length)
}

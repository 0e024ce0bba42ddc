#!/usr/bin/env node
// Prints what the segments of one stream hold, one JSON object a line. Written from docs/reference/buffer-format.md.
//
//     node reader.mjs --key recipient.key --identity HEX FILE.seg …
//
// recipient.key is the recipient's key file, HEX the hub's identity. Exit code 7: something could not be read.
import { readFileSync } from 'node:fs'
import { basename } from 'node:path'
import { parseArgs } from 'node:util'
import { Refused, toJson } from './bytes.mjs'
import { recipient } from './hpke.mjs'
import { readStream } from './segment.mjs'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { key: { type: 'string', multiple: true, default: [] }, identity: { type: 'string', default: '' } },
})
const keys = values.key.map((file) => recipient(Buffer.from(JSON.parse(readFileSync(file)).private, 'base64')))
const files = positionals.map((file) => [basename(file), readFileSync(file)])

try {
  for (const item of readStream(files, keys, Buffer.from(values.identity, 'hex'))) {
    if (['damage', 'refused', 'unopened'].includes(item.kind)) process.exitCode = 7
    console.log(toJson(item))
  }
} catch (error) {
  if (!(error instanceof Refused)) throw error
  console.error(error.message)
  process.exitCode = 7
}

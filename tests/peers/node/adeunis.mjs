// Adeunis's own codecs, for the tests: {product, bytes (hexadecimal)} a line in, what they say of it a line out.
import { createInterface } from 'node:readline'
import { createRequire } from 'node:module'

const { Decoder } = createRequire(import.meta.url)('@adeunis/codecs')

for await (const line of createInterface({ input: process.stdin })) {
  const { product, bytes } = JSON.parse(line)
  const decoder = new Decoder()
  decoder.setDeviceType(product)
  console.log(JSON.stringify(decoder.decode(bytes)))
}

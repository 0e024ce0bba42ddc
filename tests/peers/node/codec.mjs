// For the tests: payload codecs in Node.js itself. One JSON object a line in ({source, files, argument}), one out.
import { createInterface } from 'node:readline'
import vm from 'node:vm'
import { Buffer } from 'node:buffer'

const contexts = new Map()

function context(source, files) {
  const key = source + '\0' + JSON.stringify(files)
  if (!contexts.has(key)) {
    const module = { exports: {} }
    const silent = () => undefined
    const loaded = {}
    const require = (name) => {
      if (name === 'buffer' || name === 'node:buffer') return { Buffer }
      const file = name.replace(/^(\.\.?\/)+/, '')
      const found = [file, file + '.js', file + '.json'].find((one) => one in files)
      if (!found) throw new Error(`Cannot find module '${name}'`)
      if (!(found in loaded)) {
        loaded[found] = { exports: {} }
        if (found.endsWith('.json')) loaded[found].exports = JSON.parse(files[found])
        else vm.runInContext(`(function (module, exports, require) {${files[found]}\n})`, made)(loaded[found], loaded[found].exports, require)
      }
      return loaded[found].exports
    }
    const made = vm.createContext({
      module, exports: module.exports, require, Buffer, TextDecoder, TextEncoder, atob, btoa,
      console: new Proxy({}, { get: () => silent }),
    })
    vm.runInContext(source, made)
    contexts.set(key, made)
  }
  return contexts.get(key)
}

const plain = (key, value) =>
  typeof value === 'bigint' ? (Number.isSafeInteger(Number(value)) ? Number(value) : String(value))
    : typeof value === 'number' && !Number.isFinite(value) ? null
      : typeof value === 'string' ? value.toWellFormed() : value

for await (const line of createInterface({ input: process.stdin })) {
  let answer
  try {
    const { source, files, argument } = JSON.parse(line)
    if (/^export /m.test(source)) {
      const module = await import('data:text/javascript,' + encodeURIComponent(source))
      const call = module.decodeUplink || module.default.decodeUplink.bind(module.default)
      console.log(JSON.stringify({ result: JSON.parse(JSON.stringify(call(argument), plain)) }))
      continue
    }
    const made = context(source, files)
    made.__argument = JSON.stringify(argument)
    const decode = vm.runInContext('module.exports.decodeUplink || decodeUplink', made)
    answer = { result: JSON.parse(JSON.stringify(decode(vm.runInContext('JSON.parse(__argument)', made)), plain)) }
  } catch (error) {
    answer = { error: String(error && error.name) }
  }
  console.log(JSON.stringify(answer))
}

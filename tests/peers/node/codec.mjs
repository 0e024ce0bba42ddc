// For the tests: payload codecs in Node.js itself. One JSON object a line in ({source, files, argument, entry}), one out.
// `entry` is an expression for the function, where it is not decodeUplink.
import { createInterface } from 'node:readline'
import { createRequire } from 'node:module'
import vm from 'node:vm'
import { Buffer } from 'node:buffer'

const builtIn = createRequire(import.meta.url)
const contexts = new Map()

function context(source, files) {
  const key = source + '\0' + JSON.stringify(files)
  if (!contexts.has(key)) {
    const module = { exports: {} }
    const silent = () => undefined
    const loaded = {}
    const require = (name) => {
      if (/^(node:)?(assert|buffer|crypto|events|fs|module|process|stream|util)$/.test(name)) return builtIn(name)
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
      module, exports: module.exports, require, Buffer, TextDecoder, TextEncoder, atob, btoa, process,
      console: new Proxy({}, { get: () => silent }),
    })
    try {
      vm.runInContext(source, made)
    } catch (error) {
      if (!/Illegal return/.test(error.message)) throw error
      vm.runInContext(`(function (module, exports, require) {${source}\n})`, made)(module, module.exports, require)
    }
    contexts.set(key, made)
  }
  return contexts.get(key)
}

const plain = (key, value) =>
  typeof value === 'bigint' ? (Number.isSafeInteger(Number(value)) ? Number(value) : String(value))
    : typeof value === 'number' && !Number.isFinite(value) ? null
      : typeof value === 'string' ? value.toWellFormed() : value

async function answered({ source, files, argument, entry }) {
  let decode, input = argument
  if (/(^|[;}])(export|import)[ {]/m.test(source)) {
    const module = await import('data:text/javascript,' + encodeURIComponent(source))
    decode = entry ? new Function('exports', `return ${entry}`)(module) : module.decodeUplink || module.default.decodeUplink.bind(module.default)
  } else {
    const made = context(source, files)
    made.__argument = JSON.stringify(argument)
    decode = vm.runInContext(entry || 'module.exports.decodeUplink || decodeUplink', made)
    input = vm.runInContext('JSON.parse(__argument)', made)
  }
  return JSON.parse(JSON.stringify(await decode(input), plain))
}

for await (const line of createInterface({ input: process.stdin })) {
  try {
    console.log(JSON.stringify({ result: await answered(JSON.parse(line)) }))
  } catch (error) {
    console.log(JSON.stringify({ error: String(error && error.name) }))
  }
}

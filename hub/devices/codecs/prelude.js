// What a payload codec finds around it, beside the language itself. Evaluated before the codec, in the same context.
//
//   module, exports, require   CommonJS: `require("./x")` gives another file of the same pack, `require("buffer")`
//                              gives Buffer; nothing else can be had
//   console                    takes everything, says nothing
//   Buffer                     a Uint8Array with the methods of Node.js that codecs use (Node.js 20, buffer)
//   TextDecoder, TextEncoder, atob, btoa
//
// There is no input or output, no timer, no network, and nothing of an earlier call: a codec is a function of its argument
// and of the clock. The value of this script is a function of the pack's other files that gives the host, by name, `enter`:
// a function of (name, JSON of the argument) that answers in JSON, and `script`, which reads the source of an ES module as
// a script.
"use strict";
(function (files) {
    const { parse, stringify } = JSON;
    const { isArray, from: arrayFrom } = Array;
    const { isFinite, isSafeInteger } = Number;
    const OWN = Object.prototype.hasOwnProperty;
    const OUTPUT = 262144;
    const evaluate = eval;  // by another name it evaluates in the global scope

    // -- text ----------------------------------------------------------------------------------------------------

    const BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    function encodeBase64(bytes, alphabet, padded) {
        let out = "";
        for (let at = 0; at < bytes.length; at += 3) {
            const left = bytes.length - at;
            const word = (bytes[at] << 16) | ((left > 1 ? bytes[at + 1] : 0) << 8) | (left > 2 ? bytes[at + 2] : 0);
            out += alphabet[word >> 18] + alphabet[(word >> 12) & 63];
            out += left > 1 ? alphabet[(word >> 6) & 63] : padded ? "=" : "";
            out += left > 2 ? alphabet[word & 63] : padded ? "=" : "";
        }
        return out;
    }

    function decodeBase64(text) {
        const bytes = [];
        let word = 0, bits = 0;
        for (const character of text) {
            if (character === "=") break;
            const value = BASE64.indexOf(character === "-" ? "+" : character === "_" ? "/" : character);
            if (value < 0) continue;
            word = ((word << 6) | value) & 0xfffff;
            bits += 6;
            if (bits >= 8) bytes.push((word >> (bits -= 8)) & 0xff);
        }
        return bytes;
    }

    function encodeUtf8(text) {
        const bytes = [];
        for (const character of text) {
            let code = character.codePointAt(0);
            if (code >= 0xd800 && code <= 0xdfff) code = 0xfffd;
            if (code < 0x80) bytes.push(code);
            else if (code < 0x800) bytes.push(0xc0 | (code >> 6), 0x80 | (code & 63));
            else if (code < 0x10000) bytes.push(0xe0 | (code >> 12), 0x80 | ((code >> 6) & 63), 0x80 | (code & 63));
            else bytes.push(0xf0 | (code >> 18), 0x80 | ((code >> 12) & 63), 0x80 | ((code >> 6) & 63), 0x80 | (code & 63));
        }
        return bytes;
    }

    // The WHATWG decoder (Encoding Standard, 8.1.1): one replacement character for each maximal part of a sequence.
    function decodeUtf8(bytes) {
        let out = "", code = 0, needed = 0, low = 0x80, high = 0xbf;
        for (let at = 0; at <= bytes.length; at++) {
            const byte = bytes[at];
            if (needed) {
                if (at < bytes.length && byte >= low && byte <= high) {
                    code = (code << 6) | (byte & 63);
                    low = 0x80, high = 0xbf;
                    if (--needed === 0) out += String.fromCodePoint(code);
                    continue;
                }
                out += "\ufffd";
                needed = 0, low = 0x80, high = 0xbf;
            }
            if (at === bytes.length) break;
            if (byte < 0x80) out += String.fromCharCode(byte);
            else if (byte >= 0xc2 && byte <= 0xdf) needed = 1, code = byte & 31;
            else if (byte >= 0xe0 && byte <= 0xef) {
                needed = 2, code = byte & 15;
                if (byte === 0xe0) low = 0xa0;
                if (byte === 0xed) high = 0x9f;
            } else if (byte >= 0xf0 && byte <= 0xf4) {
                needed = 3, code = byte & 7;
                if (byte === 0xf0) low = 0x90;
                if (byte === 0xf4) high = 0x8f;
            } else out += "\ufffd";
        }
        return out;
    }

    function latin1(bytes, mask) {
        let out = "";
        for (const byte of bytes) out += String.fromCharCode(byte & mask);
        return out;
    }

    function bytesOf(text, encoding) {
        switch (String(encoding || "utf8").toLowerCase()) {
            case "utf8": case "utf-8": return encodeUtf8(text);
            case "hex": {
                const bytes = [];
                for (let at = 0; at + 1 < text.length; at += 2) {
                    const pair = text.slice(at, at + 2);
                    if (!/^[0-9a-fA-F]{2}$/.test(pair)) break;
                    bytes.push(parseInt(pair, 16));
                }
                return bytes;
            }
            case "base64": case "base64url": return decodeBase64(text);
            case "ascii": case "latin1": case "binary": return arrayFrom(text, (c) => c.charCodeAt(0) & 0xff);
            case "ucs2": case "ucs-2": case "utf16le": case "utf-16le": {
                const bytes = [];
                for (let at = 0; at < text.length; at++) bytes.push(text.charCodeAt(at) & 0xff, text.charCodeAt(at) >> 8);
                return bytes;
            }
            default: throw new TypeError("Unknown encoding: " + encoding);
        }
    }

    function textOf(bytes, encoding) {
        switch (String(encoding || "utf8").toLowerCase()) {
            case "utf8": case "utf-8": return decodeUtf8(bytes);
            case "hex": return arrayFrom(bytes, (byte) => (byte < 16 ? "0" : "") + byte.toString(16)).join("");
            case "base64": return encodeBase64(bytes, BASE64, true);
            case "base64url": return encodeBase64(bytes, BASE64.replace("+/", "-_"), false);
            case "ascii": return latin1(bytes, 0x7f);
            case "latin1": case "binary": return latin1(bytes, 0xff);
            case "ucs2": case "ucs-2": case "utf16le": case "utf-16le": {
                let out = "";
                for (let at = 0; at + 1 < bytes.length; at += 2) out += String.fromCharCode(bytes[at] | (bytes[at + 1] << 8));
                return out;
            }
            default: throw new TypeError("Unknown encoding: " + encoding);
        }
    }

    // -- Buffer --------------------------------------------------------------------------------------------------

    class Buffer extends Uint8Array {
        static from(value, encoding, length) {
            if (typeof value === "string") return Buffer._of(bytesOf(value, encoding));
            if (value instanceof ArrayBuffer) return new Buffer(value, encoding, length);
            if (value && value.type === "Buffer" && isArray(value.data)) return Buffer._of(value.data);
            if (value === null || typeof value !== "object") throw new TypeError("The first argument must be bytes or text");
            return Buffer._of(arrayFrom(value));
        }
        static _of(bytes) {
            const made = new Buffer(bytes.length);
            for (let at = 0; at < bytes.length; at++) made[at] = bytes[at];
            return made;
        }
        static alloc(size, fill, encoding) {
            const made = new Buffer(size);
            return fill === undefined ? made : made.fill(fill, 0, size, encoding);
        }
        static allocUnsafe(size) { return new Buffer(size); }
        static isBuffer(value) { return value instanceof Buffer; }
        static byteLength(value, encoding) { return typeof value === "string" ? bytesOf(value, encoding).length : value.byteLength; }
        static isEncoding(name) {
            return /^(utf-?8|hex|base64(url)?|ascii|latin1|binary|ucs-?2|utf-?16le)$/i.test(String(name));
        }
        static concat(list, total) {
            const length = total === undefined ? list.reduce((sum, part) => sum + part.length, 0) : total;
            const made = new Buffer(length);
            let at = 0;
            for (const part of list) for (const byte of part) if (at < length) made[at++] = byte;
            return made;
        }
        static compare(one, other) { return Buffer.prototype.compare.call(one, other); }
        get parent() { return this.buffer; }
        toString(encoding, start, end) {
            return textOf(super.subarray(clip(start, 0, this.length), clip(end, this.length, this.length)), encoding);
        }
        toJSON() { return { type: "Buffer", data: arrayFrom(this) }; }
        slice(start, end) { return this.subarray(start, end); }
        equals(other) { return this.compare(other) === 0; }
        compare(other) {
            const both = Math.min(this.length, other.length);
            for (let at = 0; at < both; at++) if (this[at] !== other[at]) return this[at] < other[at] ? -1 : 1;
            return Math.sign(this.length - other.length);
        }
        fill(value, start, end, encoding) {
            if (typeof start === "string") encoding = start, start = undefined;
            if (typeof end === "string") encoding = end, end = undefined;
            const first = clip(start, 0, this.length), last = clip(end, this.length, this.length);
            const bytes = typeof value === "string" ? bytesOf(value, encoding) : typeof value === "object" ? arrayFrom(value) : [value & 255];
            for (let at = first; at < last; at++) this[at] = bytes.length ? bytes[(at - first) % bytes.length] : 0;
            return this;
        }
        write(text, offset, length, encoding) {
            if (typeof offset === "string") encoding = offset, offset = undefined;
            if (typeof length === "string") encoding = length, length = undefined;
            const from = offset || 0;
            const bytes = bytesOf(text, encoding);
            const count = Math.min(bytes.length, length === undefined ? Infinity : length, this.length - from);
            for (let at = 0; at < count; at++) this[from + at] = bytes[at];
            return count;
        }
        copy(target, targetStart, sourceStart, sourceEnd) {
            const part = super.subarray(clip(sourceStart, 0, this.length), clip(sourceEnd, this.length, this.length));
            const from = targetStart || 0;
            const count = Math.max(0, Math.min(part.length, target.length - from));
            for (let at = 0; at < count; at++) target[from + at] = part[at];
            return count;
        }
        indexOf(value, from, encoding) {
            if (typeof value === "number") return super.indexOf(value & 255, from);
            const wanted = typeof value === "string" ? bytesOf(value, encoding) : value;
            let at = from === undefined ? 0 : from < 0 ? Math.max(0, this.length + from) : from;
            for (; at + wanted.length <= this.length; at++) {
                let same = 0;
                while (same < wanted.length && this[at + same] === wanted[same]) same++;
                if (same === wanted.length) return at;
            }
            return -1;
        }
        includes(value, from, encoding) { return this.indexOf(value, from, encoding) !== -1; }
        readUIntBE(offset, length) {
            check(this, offset, length);
            let value = 0;
            for (let at = 0; at < length; at++) value = value * 256 + this[offset + at];
            return value;
        }
        readUIntLE(offset, length) {
            check(this, offset, length);
            let value = 0;
            for (let at = length - 1; at >= 0; at--) value = value * 256 + this[offset + at];
            return value;
        }
        readIntBE(offset, length) { return signed(this.readUIntBE(offset, length), length); }
        readIntLE(offset, length) { return signed(this.readUIntLE(offset, length), length); }
        writeUIntBE(value, offset, length) { return put(this, value, offset, length, false); }
        writeUIntLE(value, offset, length) { return put(this, value, offset, length, true); }
        writeIntBE(value, offset, length) { return put(this, value, offset, length, false); }
        writeIntLE(value, offset, length) { return put(this, value, offset, length, true); }
        swap16() { return swap(this, 2); }
        swap32() { return swap(this, 4); }
        swap64() { return swap(this, 8); }
    }

    function clip(value, missing, length) {
        if (value === undefined || value === null) return missing;
        const whole = Math.trunc(Number(value)) || 0;
        return Math.max(0, Math.min(length, whole));
    }

    function check(buffer, offset, length) {
        if (!Number.isInteger(offset)) throw new RangeError('The value of "offset" is out of range. It must be an integer. Received ' + offset);
        const last = buffer.length - length;
        if (last < 0) throw new RangeError("Attempt to access memory outside buffer bounds");
        if (offset < 0 || offset > last)
            throw new RangeError(`The value of "offset" is out of range. It must be >= 0 and <= ${last}. Received ${offset}`);
    }

    function signed(value, length) {
        const half = 2 ** (8 * length - 1);
        return value < half ? value : value - 2 * half;
    }

    function put(buffer, value, offset, length, little) {
        offset = offset === undefined ? 0 : offset;
        check(buffer, offset, length);
        let rest = Math.trunc(Number(value));
        if (rest < 0) rest += 2 ** (8 * length);
        for (let at = 0; at < length; at++) {
            buffer[offset + (little ? at : length - 1 - at)] = rest % 256;
            rest = Math.floor(rest / 256);
        }
        return offset + length;
    }

    function swap(buffer, width) {
        if (buffer.length % width) throw new RangeError("Buffer size must be a multiple of " + 8 * width + "-bits");
        for (let at = 0; at < buffer.length; at += width) Uint8Array.prototype.subarray.call(buffer, at, at + width).reverse();
        return buffer;
    }

    function define(name, method) {
        Object.defineProperty(Buffer.prototype, name, { value: method, writable: true, configurable: true });
    }

    for (const [kind, length] of [["UInt8", 1], ["Int8", 1], ["UInt16", 2], ["Int16", 2], ["UInt32", 4], ["Int32", 4]]) {
        for (const order of length === 1 ? [""] : ["BE", "LE"]) {
            const sign = kind[0] === "I";
            const read = (sign ? "readInt" : "readUInt") + (order || "BE");
            const write = "writeUInt" + (order || "BE");
            const low = sign ? -(2 ** (8 * length - 1)) : 0, high = sign ? 2 ** (8 * length - 1) - 1 : 2 ** (8 * length) - 1;
            const reader = function (offset) { return this[read](offset === undefined ? 0 : offset, length); };
            const writer = function (value, offset) {
                if (value < low || value > high) throw new RangeError('The value of "value" is out of range');
                return this[write](value, offset, length);
            };
            define("read" + kind + order, reader);
            define("write" + kind + order, writer);
            if (!sign) {
                define("readUint" + kind.slice(4) + order, reader);
                define("writeUint" + kind.slice(4) + order, writer);
            }
        }
    }
    for (const [kind, getter, length] of [["Float", "Float32", 4], ["Double", "Float64", 8], ["BigInt64", "BigInt64", 8], ["BigUInt64", "BigUint64", 8]]) {
        for (const order of ["BE", "LE"]) {
            const little = order === "LE";
            const view = (buffer) => new DataView(buffer.buffer, buffer.byteOffset, buffer.length);
            define("read" + kind + order, function (offset) {
                check(this, offset === undefined ? 0 : offset, length);
                return view(this)["get" + getter](offset === undefined ? 0 : offset, little);
            });
            define("write" + kind + order, function (value, offset) {
                check(this, offset === undefined ? 0 : offset, length);
                view(this)["set" + getter](offset === undefined ? 0 : offset, value, little);
                return (offset === undefined ? 0 : offset) + length;
            });
        }
    }
    for (const order of ["BE", "LE"]) {
        define("readUint" + order, Buffer.prototype["readUInt" + order]);
        define("readBigUint64" + order, Buffer.prototype["readBigUInt64" + order]);
    }
    // Codecs written long ago call it without `new`.
    const Callable = new Proxy(Buffer, {
        apply: (_, __, [value, encoding]) => (typeof value === "number" ? Buffer.alloc(value) : Buffer.from(value, encoding)),
        construct: (target, args, proxy) =>
            typeof args[0] === "number" || args[0] instanceof ArrayBuffer
                ? Reflect.construct(target, args, proxy)
                : Buffer.from(...args),
    });

    // -- the rest of the world -----------------------------------------------------------------------------------

    const silent = () => undefined;
    globalThis.console = new Proxy({}, { get: () => silent });
    globalThis.Buffer = Callable;
    globalThis.TextDecoder = class TextDecoder {
        constructor(label) {
            this.encoding = String(label || "utf-8").toLowerCase();
            if (!Buffer.isEncoding(this.encoding)) throw new RangeError("The encoding is not supported");
        }
        decode(value) {
            if (value === undefined) return "";
            const bytes = value instanceof ArrayBuffer ? new Uint8Array(value) : new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
            return textOf(bytes, this.encoding).replace(/^\ufeff/, "");
        }
    };
    globalThis.TextEncoder = class TextEncoder {
        encode(text) { return new Uint8Array(encodeUtf8(text === undefined ? "" : String(text))); }
    };
    globalThis.atob = (text) => latin1(decodeBase64(String(text)), 0xff);
    globalThis.btoa = (text) => encodeBase64(bytesOf(String(text), "latin1"), BASE64, true);

    // A file written as an ES module, as a script: its exports are set at its end, its imports are calls of `require`.
    function script(source) {
        const told = [];
        const pairs = (list, between) => list.split(",").map((one) => one.trim().split(/\s+as\s+/)).filter(([name]) => name).map(between);
        const text = source
            .replace(/(^[ \t]*|;[ \t]*)import\s*(\w+)?\s*,?\s*(?:\{([^}]*)\}|\*\s*as\s+(\w+))?\s*(?:from)?\s*(["'][^"'\n]+["'])/gm,
                (_, margin, whole, list, all, name) => margin + [
                    whole && `const ${whole} = require(${name}).default || require(${name})`,
                    list !== undefined && `const { ${pairs(list, ([from, to]) => (to ? from + ": " + to : from)).join(", ")} } = require(${name})`,
                    all && `const ${all} = require(${name})`,
                ].filter(Boolean).join("; "))
            .replace(/(^[ \t]*|;[ \t]*)export\s+default\s+((?:async\s+)?function\s*\*?|class)\s+(\w+)/gm, (_, margin, kind, name) => {
                told.push(`default: ${name}`, name);
                return `${margin}${kind} ${name}`;
            })
            .replace(/(^[ \t]*|;[ \t]*)export\s+default\s+/gm, "$1module.exports.default = ")
            .replace(/(^[ \t]*|;[ \t]*)export\s+((?:async\s+)?function\s*\*?|class|const|let|var)\s+(\w+)/gm, (_, margin, kind, name) => {
                told.push(name);
                return `${margin}${kind} ${name}`;
            })
            .replace(/(^[ \t]*|;[ \t]*)export\s*\{([^}]*)\}[ \t]*(?!\s*from);?/gm, (_, margin, list) => {
                told.push(...pairs(list, ([name, as]) => `${as || name}: ${name}`));
                return margin;
            });
        return told.length ? `${text}\n;Object.assign(module.exports, { ${told.join(", ")} });` : text;
    }

    function wrapped(source) {
        const wrap = (text) => new Function("module", "exports", "require", text);
        try {
            return wrap(source);
        } catch (error) {
            return wrap(script(source));
        }
    }

    const loaded = Object.create(null);

    // As Node.js finds a file: from the directory of the one that asks, then, for old packs, from the top.
    function asker(folder) {
        return function require(name) {
            name = String(name).replace(/^node:/, "");
            if (name === "buffer") return { Buffer: Callable };
            const found = [joined(folder, name), name.replace(/^(\.\.?\/)+/, "")]
                .flatMap((path) => [path, path + ".js", path + "/index.js", path + ".json"])
                .find((file) => OWN.call(files, file));
            if (found === undefined) throw new Error("Cannot find module '" + name + "': a codec has the files of its pack, and Buffer");
            if (!(found in loaded)) {
                const made = (loaded[found] = { exports: {} });
                if (found.endsWith(".json")) made.exports = parse(files[found]);
                else wrapped(files[found])(made, made.exports, asker(found.split("/").slice(0, -1)));
            }
            return loaded[found].exports;
        };
    }

    function joined(folder, name) {
        const path = [...folder];
        for (const part of name.split("/")) {
            if (part === "..") path.pop();
            else if (part !== "." && part !== "") path.push(part);
        }
        return path.join("/");
    }

    globalThis.module = { exports: {} };
    globalThis.exports = globalThis.module.exports;
    globalThis.require = asker([]);
    globalThis.global = globalThis;

    // -- the way in ----------------------------------------------------------------------------------------------

    // `const decodeUplink = …` at the top of a script is a name of the script, and no property of any object.
    const named = Object.create(null);

    function lexical(name) {
        if (!(name in named)) named[name] = evaluate("typeof " + name + ' === "function" ? ' + name + " : undefined");
        return named[name];
    }

    function find(...names) {
        for (const name of names) {
            const told = globalThis.module && globalThis.module.exports;
            for (const home of [told, globalThis.exports, globalThis, told && told.default]) {
                const found = home && (typeof home === "object" || typeof home === "function") ? home[name] : undefined;
                if (typeof found === "function") return { name, call: found.bind(home) };
            }
            const found = lexical(name);
            if (found !== undefined) return { name, call: found };
        }
        return undefined;
    }

    function plain(key, value) {
        if (typeof value === "bigint") return isSafeInteger(Number(value)) ? Number(value) : String(value);
        if (typeof value === "number" && !isFinite(value)) return null;
        if (typeof value === "string") return value.toWellFormed();
        return value;
    }

    function uplink(input) {
        const bytes = input.bytes;
        const found = find("decodeUplink", "Decoder", "Decode", "decode");
        if (found === undefined) throw new Error("the codec has no decodeUplink, Decoder or Decode");
        if (found.name === "decodeUplink") {
            const time = input.recvTime === null ? {} : { recvTime: new Date(input.recvTime) };
            return found.call({ bytes, fPort: input.fPort, ...time, variables: {} });
        }
        const data = found.name === "Decode" ? found.call(input.fPort, bytes, {}) : found.call(bytes, input.fPort);
        return { data };
    }

    function other(name, input) {
        const found = find(name, ...(name === "encodeDownlink" ? ["Encoder", "Encode"] : []));
        if (found === undefined) throw new Error("the codec has no " + name);
        if (found.name === "Encoder") return { bytes: found.call(input.data, input.fPort), fPort: input.fPort };
        if (found.name === "Encode") return { bytes: found.call(input.fPort, input.data, {}), fPort: input.fPort };
        return found.call(input);
    }

    function enter(name, argument) {
        const input = parse(argument);
        const answer = name === "decodeUplink" ? uplink(input) : other(name, input);
        if (answer === null || typeof answer !== "object" || isArray(answer)) throw new TypeError("the codec returned no object");
        if (typeof answer.then === "function") throw new TypeError("the codec is asynchronous");
        const text = stringify(answer, plain);
        if (text === undefined) throw new TypeError("the codec returned no object");
        if (text.length > OUTPUT) throw new RangeError("the codec returned " + text.length + " characters");
        return text;
    }

    return (part) => ({ enter, script })[part];
});

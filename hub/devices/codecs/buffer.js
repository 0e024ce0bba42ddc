// Buffer as in Node.js 20: a Uint8Array with the methods that codecs use.
"use strict";
(function ({ ENCODINGS, encodingOf, bytesOf, textOf, failed, received, mustBe, outOfRange }) {
    const { isArray } = Array;
    const slice = Uint8Array.prototype.subarray;

    class Bytes extends Uint8Array {
        get parent() { return this.buffer; }
        get offset() { return this.byteOffset; }
        toString(encoding, start, end) {
            return textOf(slice.call(this, clip(start, 0, this.length), clip(end, this.length, this.length)), encoding);
        }
        toLocaleString(encoding, start, end) { return this.toString(encoding, start, end); }
        toJSON() { return { type: "Buffer", data: Array.from(this) }; }
        slice(start, end) { return this.subarray(start, end); }
        equals(other) {
            if (!(other instanceof Uint8Array)) throw mustBe("otherBuffer", "an instance of Buffer or Uint8Array", other);
            return this.compare(other) === 0;
        }
        compare(target, targetStart, targetEnd, start, end) {
            if (!(target instanceof Uint8Array)) throw mustBe("target", "an instance of Buffer or Uint8Array", target);
            const one = slice.call(this, start === undefined ? 0 : start, end === undefined ? this.length : end);
            const other = slice.call(target, targetStart === undefined ? 0 : targetStart, targetEnd === undefined ? target.length : targetEnd);
            const both = Math.min(one.length, other.length);
            for (let at = 0; at < both; at++) if (one[at] !== other[at]) return one[at] < other[at] ? -1 : 1;
            return Math.sign(one.length - other.length);
        }
        fill(value, start, end, encoding) {
            if (typeof start === "string") encoding = start, start = undefined;
            if (typeof end === "string") encoding = end, end = undefined;
            if (start !== undefined && !(start >= 0 && start <= this.length)) throw outOfRange("offset", `>= 0 and <= ${this.length}`, start);
            if (end !== undefined && !(end >= 0 && end <= this.length)) throw outOfRange("end", `>= 0 and <= ${this.length}`, end);
            const first = start === undefined ? 0 : start, last = end === undefined ? this.length : end;
            const text = typeof value === "string";
            const bytes = text ? bytesOf(value, encoding) : value !== null && typeof value === "object" ? Array.from(value) : [value & 255];
            if (text && !bytes.length && value !== "") throw failed(TypeError, "ERR_INVALID_ARG_VALUE", `The argument 'value' is invalid. Received '${value}'`);
            for (let at = first; at < last; at++) this[at] = bytes.length ? bytes[(at - first) % bytes.length] : 0;
            return this;
        }
        write(text, offset, length, encoding) {
            if (typeof text !== "string") throw mustBe("argument", "of type string", text);
            if (typeof offset === "string") encoding = offset, offset = undefined, length = undefined;
            if (typeof length === "string") encoding = length, length = undefined;
            if (offset !== undefined && !(offset >= 0 && offset <= this.length)) throw outOfRange("offset", `>= 0 && <= ${this.length}`, offset);
            const from = offset || 0;
            const bytes = bytesOf(text, encoding);
            let count = Math.min(bytes.length, length === undefined ? Infinity : length, this.length - from);
            // No character is written in part.
            if (encodingOf(encoding) === "utf8") while (count < bytes.length && count > 0 && (bytes[count] & 0xc0) === 0x80) count--;
            if (encodingOf(encoding) === "utf16le") count &= ~1;
            for (let at = 0; at < count; at++) this[from + at] = bytes[at];
            return count;
        }
        copy(target, targetStart, sourceStart, sourceEnd) {
            const to = whole(targetStart, 0), from = whole(sourceStart, 0), end = whole(sourceEnd, this.length);
            if (to < 0) throw outOfRange("targetStart", ">= 0", targetStart);
            if (from < 0 || from > this.length) throw outOfRange("sourceStart", `>= 0 && <= ${this.length}`, sourceStart);
            if (end < 0) throw outOfRange("sourceEnd", ">= 0", sourceEnd);
            const count = Math.max(0, Math.min(end - from, target.length - to, this.length - from));
            if (count) target.set(slice.call(this, from, from + count), to);
            return count;
        }
        indexOf(value, from, encoding) { return search(this, value, from, encoding, false); }
        lastIndexOf(value, from, encoding) { return search(this, value, from, encoding, true); }
        includes(value, from, encoding) { return this.indexOf(value, from, encoding) !== -1; }
        readUIntBE(offset, length) { return read(this, offset, length, false); }
        readUIntLE(offset, length) { return read(this, offset, length, true); }
        readIntBE(offset, length) { return signed(read(this, offset, length, false), length); }
        readIntLE(offset, length) { return signed(read(this, offset, length, true), length); }
        writeUIntBE(value, offset, length) { return write(this, value, offset, length, false, false); }
        writeUIntLE(value, offset, length) { return write(this, value, offset, length, true, false); }
        writeIntBE(value, offset, length) { return write(this, value, offset, length, false, true); }
        writeIntLE(value, offset, length) { return write(this, value, offset, length, true, true); }
        swap16() { return swap(this, 2); }
        swap32() { return swap(this, 4); }
        swap64() { return swap(this, 8); }
    }

    // Codecs written long ago call it without `new`.
    function Buffer(value, encoding, length) {
        if (typeof value !== "number") return Buffer.from(value, encoding, length);
        if (typeof encoding === "string") throw mustBe("string", "of type string", value);
        return Buffer.alloc(value);
    }
    Object.setPrototypeOf(Buffer, Uint8Array);
    Object.defineProperty(Buffer, Symbol.species, { configurable: true, get: () => Bytes });
    Buffer.prototype = Bytes.prototype;
    Object.defineProperty(Bytes.prototype, "constructor", { value: Buffer, writable: true, configurable: true });
    Buffer.poolSize = 8192;

    function made(bytes) {
        const buffer = new Bytes(bytes.length);
        buffer.set(bytes);
        return buffer;
    }

    // Functions, since some call them with `new`.
    Object.assign(Buffer, {
        from: function (value, encoding, length) {
            if (typeof value === "string") return made(bytesOf(value, typeof encoding === "string" ? encoding : "utf8"));
            if (typeof value === "object" && value !== null) {
                if (value instanceof ArrayBuffer || value instanceof SharedArrayBuffer) return new Bytes(value, encoding, length);
                const inner = value.valueOf && value.valueOf();
                if (inner !== undefined && inner !== null && inner !== value && /^(string|object)$/.test(typeof inner)) return Buffer.from(inner, encoding, length);
                if (value.length !== undefined || value.buffer instanceof ArrayBuffer) return typeof value.length === "number" ? made(value) : new Bytes(0);
                if (value.type === "Buffer" && isArray(value.data)) return made(value.data);
                if (typeof value[Symbol.toPrimitive] === "function") {
                    const text = value[Symbol.toPrimitive]("string");
                    if (typeof text === "string") return made(bytesOf(text, encoding));
                }
            }
            if (typeof value === "number") throw failed(TypeError, "ERR_INVALID_ARG_TYPE", `The "value" argument must not be of type number. Received ${received(value)}`);
            throw failed(TypeError, "ERR_INVALID_ARG_TYPE",
                "The first argument must be of type string or an instance of Buffer, ArrayBuffer, or Array or an Array-like Object. Received " + received(value));
        },
        of: function (...items) { return made(items); },
        alloc: function (size, fill, encoding) {
            const buffer = Buffer.allocUnsafe(size);
            return fill === undefined || fill === 0 || !size ? buffer : typeof encoding === "string" ? buffer.fill(fill, encoding) : buffer.fill(fill);
        },
        allocUnsafe: function (size) {
            if (typeof size !== "number") throw mustBe("size", "of type number", size);
            if (!(size >= 0 && size <= 2 ** 32)) throw outOfRange("size", ">= 0 && <= 4294967296", size);
            return new Bytes(size);
        },
        allocUnsafeSlow: function (size) { return Buffer.allocUnsafe(size); },
        isBuffer: function (value) { return value instanceof Bytes; },
        isEncoding: function (name) { return typeof name === "string" && name.toLowerCase() in ENCODINGS; },
        byteLength: function (value, encoding) {
            if (typeof value !== "string") {
                if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return value.byteLength;
                throw mustBe("string", "of type string or an instance of Buffer or ArrayBuffer", value);
            }
            const known = Buffer.isEncoding(encoding) ? encodingOf(encoding) : "utf8";
            if (known === "hex") return value.length >>> 1;
            if (known.startsWith("base64")) return Math.trunc((value.replace(/={1,2}$/, "").length * 3) / 4);
            return bytesOf(value, known).length;
        },
        concat: function (list, total) {
            if (!isArray(list)) throw mustBe("list", "an instance of Array", list);
            const length = total === undefined ? list.reduce((sum, part) => sum + part.length, 0) : total;
            const buffer = new Bytes(length);
            let at = 0;
            list.forEach((part, n) => {
                if (!(part instanceof Uint8Array)) throw mustBe(`list[${n}]`, "an instance of Buffer or Uint8Array", part);
                const taken = slice.call(part, 0, Math.max(0, length - at));
                buffer.set(taken, at);
                at += taken.length;
            });
            return buffer;
        },
        compare: function (one, other) {
            if (!(one instanceof Uint8Array)) throw mustBe("buf1", "an instance of Buffer or Uint8Array", one);
            if (!(other instanceof Uint8Array)) throw mustBe("buf2", "an instance of Buffer or Uint8Array", other);
            return Bytes.prototype.compare.call(one, other);
        },
    });

    function clip(value, missing, length) {
        return value === undefined || value === null ? missing : Math.max(0, Math.min(length, Math.trunc(Number(value)) || 0));
    }

    function whole(value, missing) {
        return value === undefined ? missing : Math.trunc(Number(value)) || 0;
    }

    function check(buffer, offset, length) {
        if (typeof offset !== "number") throw mustBe("offset", "of type number", offset);
        const last = buffer.length - length;
        if (offset >= 0 && offset <= last && Number.isInteger(offset)) return;
        if (!Number.isInteger(offset) && Math.abs(offset) !== Infinity) throw outOfRange("offset", "an integer", offset);
        if (last < 0) throw failed(RangeError, "ERR_BUFFER_OUT_OF_BOUNDS", "Attempt to access memory outside buffer bounds");
        throw outOfRange("offset", `>= 0 and <= ${last}`, offset);
    }

    function checkLength(length) {
        if (typeof length !== "number") throw mustBe("byteLength", "of type number", length);
        if (!Number.isInteger(length)) throw outOfRange("byteLength", "an integer", length);
        if (length < 1 || length > 6) throw outOfRange("byteLength", ">= 1 and <= 6", length);
    }

    function read(buffer, offset, length, little) {
        if (offset === undefined) throw mustBe("offset", "of type number", offset);
        checkLength(length);
        check(buffer, offset, length);
        let value = 0;
        for (let at = 0; at < length; at++) value = value * 256 + buffer[offset + (little ? length - 1 - at : at)];
        return value;
    }

    function signed(value, length) {
        const half = 2 ** (8 * length - 1);
        return value < half ? value : value - 2 * half;
    }

    function write(buffer, value, offset, length, little, negative) {
        checkLength(length);
        value = +value;
        if (offset === undefined) throw mustBe("offset", "of type number", offset);
        const bits = 8 * length - (negative ? 1 : 0);
        if (value > 2 ** bits - 1 || value < (negative ? -(2 ** bits) : 0))
            throw outOfRange("value",
                length > 4
                    ? negative ? `>= -(2 ** ${bits}) and < 2 ** ${bits}` : `>= 0 and < 2 ** ${bits}`
                    : `>= ${negative ? -(2 ** bits) : 0} and <= ${2 ** bits - 1}`,
                value);
        check(buffer, offset, length);
        let rest = Math.trunc(value) || 0;
        if (rest < 0) rest += 2 ** (8 * length);
        for (let at = 0; at < length; at++) {
            buffer[offset + (little ? at : length - 1 - at)] = rest % 256;
            rest = Math.floor(rest / 256);
        }
        return offset + length;
    }

    function search(buffer, value, from, encoding, last) {
        if (typeof from === "string") encoding = from, from = undefined;
        if (typeof value === "number") value = [value & 255];
        else if (typeof value === "string") value = bytesOf(value, encoding);
        else if (!(value instanceof Uint8Array)) throw mustBe("value", "one of type number or string or an instance of Buffer or Uint8Array", value);
        const room = buffer.length - value.length;
        let at = +from;
        if (at !== at) at = last ? room : 0;
        at = Math.trunc(at);
        if (at < 0) at += buffer.length;
        if (at < 0) {
            if (last) return -1;
            at = 0;
        }
        if (!value.length) return Math.min(at, buffer.length);
        if (last) at = Math.min(at, room);
        for (; at >= 0 && at <= room; at += last ? -1 : 1) {
            let same = 0;
            while (same < value.length && buffer[at + same] === value[same]) same++;
            if (same === value.length) return at;
        }
        return -1;
    }

    function swap(buffer, width) {
        if (buffer.length % width) throw failed(RangeError, "ERR_INVALID_BUFFER_SIZE", `Buffer size must be a multiple of ${8 * width}-bits`);
        for (let at = 0; at < buffer.length; at += width) slice.call(buffer, at, at + width).reverse();
        return buffer;
    }

    function define(name, method) {
        Object.defineProperty(Bytes.prototype, name, { value: method, writable: true, configurable: true });
    }

    for (const [kind, length] of [["Int8", 1], ["Int16", 2], ["Int32", 4]]) {
        for (const order of length === 1 ? [""] : ["BE", "LE"]) {
            const little = order === "LE";
            define("read" + kind + order, function (offset = 0) {
                check(this, offset, length);
                return signed(read(this, offset, length, little), length);
            });
            define("write" + kind + order, function (value, offset = 0) { return write(this, value, offset, length, little, true); });
            for (const name of ["U" + kind, "Ui" + kind.slice(1)]) {
                define("read" + name + order, function (offset = 0) {
                    check(this, offset, length);
                    return read(this, offset, length, little);
                });
                define("write" + name + order, function (value, offset = 0) { return write(this, value, offset, length, little, false); });
            }
        }
    }
    for (const [kind, getter, length] of [["Float", "Float32", 4], ["Double", "Float64", 8], ["BigInt64", "BigInt64", 8], ["BigUInt64", "BigUint64", 8]]) {
        for (const order of ["BE", "LE"]) {
            const little = order === "LE";
            const view = (buffer) => new DataView(buffer.buffer, buffer.byteOffset, buffer.length);
            define("read" + kind + order, function (offset = 0) {
                check(this, offset, length);
                return view(this)["get" + getter](offset, little);
            });
            define("write" + kind + order, function (value, offset = 0) {
                if (kind[0] === "B") {
                    if (typeof value !== "bigint") throw new TypeError("Cannot mix BigInt and other types, use explicit conversions");
                    const low = kind === "BigInt64" ? -(2n ** 63n) : 0n, high = kind === "BigInt64" ? 2n ** 63n : 2n ** 64n;
                    if (value >= high || value < low) throw outOfRange("value", low ? ">= -(2n ** 63n) and < 2n ** 63n" : ">= 0n and < 2n ** 64n", value);
                }
                check(this, offset, length);
                view(this)["set" + getter](offset, value, little);
                return offset + length;
            });
        }
    }
    for (const order of ["BE", "LE"]) {
        for (const name of ["readUInt", "writeUInt", "readBigUInt64", "writeBigUInt64"])
            define(name.replace("UInt", "Uint") + order, Bytes.prototype[name + order]);
    }
    for (const [name, encoding] of [["utf8", "utf8"], ["hex", "hex"], ["base64", "base64"], ["base64url", "base64url"], ["latin1", "latin1"], ["ascii", "ascii"], ["ucs2", "utf16le"]]) {
        define(name + "Slice", function (start, end) { return this.toString(encoding, start, end); });
        define(name + "Write", function (text, offset, length) { return this.write(text, offset, length, encoding); });
    }

    return Buffer;
})

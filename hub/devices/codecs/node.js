// `require("util")` and `require("assert")` as in Node.js 20, as far as codecs use them. What is missing says so when it
// is called: bundles load modules, and extend their classes, that their codec never uses.
"use strict";
(function (host, { TextDecoder, TextEncoder }) {
    function missing(name, members = []) {
        const made = function () { throw new Error(`the hub has no ${name} for codecs`); };
        for (const member of members) made[member] = missing(name + "." + member);
        return made;
    }

    function alike(one, other, strict) {
        if (strict ? Object.is(one, other) : one == other || (one !== one && other !== other)) return true;
        if (typeof one !== "object" || typeof other !== "object" || one === null || other === null) return false;
        if (strict && Object.getPrototypeOf(one) !== Object.getPrototypeOf(other)) return false;
        if (one instanceof Date && other instanceof Date) return one.getTime() === other.getTime();
        if (one instanceof Map || one instanceof Set || one instanceof RegExp || one instanceof Error)
            throw new Error("the hub compares no " + one.constructor.name + " in depth");
        const keys = Object.keys(one);
        return Array.isArray(one) === Array.isArray(other) && keys.length === Object.keys(other).length
            && keys.every((key) => Object.prototype.hasOwnProperty.call(other, key) && alike(one[key], other[key], strict));
    }

    function shown(value) {
        if (typeof value === "object" && value !== null || typeof value === "function") throw new Error("the hub has no util.inspect for codecs");
        return Object.is(value, -0) ? "-0" : typeof value === "bigint" ? value + "n" : String(value);
    }

    function format(first, ...values) {
        if (typeof first !== "string") return [first, ...values].map(shown).join(" ");
        const text = first.replace(/%([sdifjoOc%])/g, (whole, kind) => {
            if (kind === "%") return "%";
            if (!values.length) return whole;
            const value = values.shift();
            if (kind === "j") return JSON.stringify(value);
            if (kind === "c") return "";
            if (kind === "s") return shown(value);
            if (typeof value === "object" || kind === "o" || kind === "O") return kind === "d" || kind === "i" || kind === "f" ? "NaN" : shown(value);
            if (typeof value === "bigint") return value + "n";
            return shown(kind === "d" ? Number(value) : kind === "i" ? parseInt(value, 10) : parseFloat(value));
        });
        return [text, ...values.map(shown)].join(" ");
    }

    const util = {
        TextDecoder, TextEncoder, format,
        isArray: Array.isArray,
        isDeepStrictEqual: (one, other) => alike(one, other, true),
        deprecate: (call) => call,
        inherits(child, parent) {
            Object.defineProperty(child, "super_", { value: parent, writable: true, configurable: true });
            Object.setPrototypeOf(child.prototype, parent.prototype);
        },
    };
    for (const name of ["inspect", "promisify", "callbackify", "parseArgs", "styleText", "stripVTControlCharacters", "debuglog", "types"])
        util[name] = missing("util." + name);

    class AssertionError extends Error {
        constructor(options) {
            super(options.message);
            this.name = "AssertionError";
            this.code = "ERR_ASSERTION";
        }
    }

    function check(holds, message, otherwise) {
        if (holds) return;
        if (message instanceof Error) throw message;
        throw new AssertionError({ message: message === undefined ? otherwise : message });
    }

    const assert = (value, message) => check(value, message, "The expression evaluated to a falsy value");
    Object.assign(assert, {
        AssertionError,
        ok: assert,
        equal: (one, other, message) => check(one == other || (one !== one && other !== other), message, `${String(one)} == ${String(other)}`),
        notEqual: (one, other, message) => check(one != other, message, `${String(one)} != ${String(other)}`),
        strictEqual: (one, other, message) => check(Object.is(one, other), message, "Expected values to be strictly equal"),
        notStrictEqual: (one, other, message) => check(!Object.is(one, other), message, "Expected values not to be strictly equal"),
        deepEqual: (one, other, message) => check(alike(one, other, false), message, "Expected values to be loosely deep-equal"),
        deepStrictEqual: (one, other, message) => check(alike(one, other, true), message, "Expected values to be strictly deep-equal"),
        fail: (message) => check(false, message, "Failed"),
    });
    for (const name of ["throws", "doesNotThrow", "rejects", "doesNotReject", "match", "doesNotMatch", "ifError", "notDeepEqual", "notDeepStrictEqual"])
        assert[name] = missing("assert." + name);
    assert.strict = assert;

    const ABSENT = {
        events: ["EventEmitter", "once"],
        fs: ["existsSync", "readFile", "readFileSync", "readdirSync", "statSync", "writeFile", "writeFileSync", "promises"],
        os: ["hostname", "platform", "cpus", "tmpdir"],
        path: ["basename", "dirname", "extname", "join", "relative", "resolve"],
        stream: ["Duplex", "PassThrough", "Readable", "Stream", "Transform", "Writable", "pipeline"],
        string_decoder: ["StringDecoder"],
        url: ["URL", "fileURLToPath", "parse", "pathToFileURL"],
        zlib: ["deflateSync", "gunzipSync", "gzipSync", "inflateSync", "unzipSync"],
    };
    Object.setPrototypeOf(ABSENT, null);
    return { util, assert, absent: (name) => ABSENT[name] && missing(name, ABSENT[name]) };
})

// What a payload codec finds around it, beside the language itself. Evaluated before the codec, in the same context.
//
//   module, exports, require   CommonJS: `require("./x")` gives another file of the same pack; `buffer`, `crypto`, `util`,
//                              `assert`, `module` and `process` are those of Node.js 20 as far as they go (crypto.js,
//                              node.js); files, streams and the like are there to be loaded, and throw when used
//   console                    takes everything, says nothing
//   Buffer, TextDecoder, TextEncoder, atob, btoa   as in Node.js 20 (text.js, buffer.js)
//   Intl, toLocaleString       the usual places and every time zone, else an error (intl.js); the local time is UTC
//   context                    an empty list: what other hosts keep there from one payload to the next is not kept here
//
// There is no input or output, no timer, no network, and nothing of an earlier call: a codec is a function of its argument
// and of the clock. The value of this script is a function of `host`, which asks Python (host.py), of the pack's other
// files, and of text.js and buffer.js. It gives its own parts by name:
//
//   enter    a function of (name, JSON of the argument) that answers in JSON, or with a promise of it
//   ready    looks for the codec's functions, once it has run; takes the exports of an ES module, and the source
//   wrapped  runs a file that is the body of a function, as Node.js does: it may `return`
//   script   whether a file of the pack is CommonJS
//   names    the names that such a file exports
//   intl     reads what formats dates, before a codec that may need it
"use strict";
(function (host, files, makeText, makeBuffer) {
    const { parse, stringify } = JSON;
    const { isArray } = Array;
    const { isFinite, isSafeInteger } = Number;
    const { defineProperty } = Object;
    const OWN = Object.prototype.hasOwnProperty;
    const OUTPUT = 262144;
    const evaluate = eval;  // by another name it evaluates in the global scope
    const text = makeText();
    text.Buffer = makeBuffer(text);

    // -- what is made when first asked for ------------------------------------------------------------------------

    function once(make) {
        let made;
        return () => (made === undefined ? (made = make()) : made);
    }

    function late(home, name, make) {
        const put = (value) => defineProperty(home, name, { value, writable: true, configurable: true });
        defineProperty(home, name, { configurable: true, set: put, get: () => (put(make()), home[name]) });
    }

    const crypto = once(() => evaluate(host("part", "crypto"))(host, text));
    const node = once(() => evaluate(host("part", "node"))(host, text));
    const intl = once(() => evaluate(host("part", "intl"))(host));

    late(globalThis, "Intl", () => intl().Intl);
    late(globalThis, "crypto", () => crypto().web);
    const spoken = (prototype, name, make) => late(prototype, name, () => ({ [name](...given) { return make(this, ...given); } })[name]);
    spoken(Date.prototype, "toLocaleString", (date, ...given) => intl().dateTime(date, ...given));
    spoken(Date.prototype, "toLocaleDateString", (date, ...given) => intl().date(date, ...given));
    spoken(Date.prototype, "toLocaleTimeString", (date, ...given) => intl().time(date, ...given));
    spoken(Number.prototype, "toLocaleString", (value, ...given) => intl().number(value.valueOf(), ...given));
    spoken(BigInt.prototype, "toLocaleString", (value, ...given) => intl().number(value.valueOf(), ...given));
    spoken(String.prototype, "localeCompare", (one, ...given) => intl().compared(String(one), ...given));

    // -- dates, whose local time is UTC ---------------------------------------------------------------------------

    const { toString, toTimeString } = Date.prototype;
    const ZONE = " (Coordinated Universal Time)";
    const named = (method) => function () {
        const told = method.call(this);
        return told === "Invalid Date" ? told : told + ZONE;
    };
    defineProperty(Date.prototype, "toString", { value: named(toString), writable: true, configurable: true });
    defineProperty(Date.prototype, "toTimeString", { value: named(toTimeString), writable: true, configurable: true });
    globalThis.Date = new Proxy(Date, { apply: (Date) => new Date().toString() });
    Date.prototype.constructor = Date;

    // -- the rest of the world ------------------------------------------------------------------------------------

    const silent = () => undefined;
    globalThis.console = new Proxy({}, { get: () => silent });
    globalThis.Buffer = text.Buffer;
    globalThis.TextDecoder = text.TextDecoder;
    globalThis.TextEncoder = text.TextEncoder;
    globalThis.atob = text.atob;
    globalThis.btoa = text.btoa;
    globalThis.global = globalThis;
    globalThis.context = [];
    globalThis.process = {
        env: {}, argv: [], platform: "linux", arch: "x64", version: "v20.0.0", versions: { node: "20.0.0" }, pid: 1,
        cwd: () => "/", nextTick: (call, ...given) => void Promise.resolve().then(() => call(...given)),
    };

    const BUILT_IN = {
        buffer: () => ({ Buffer: text.Buffer, atob: text.atob, btoa: text.btoa, constants: { MAX_LENGTH: 4294967296, MAX_STRING_LENGTH: 536870888 } }),
        crypto: () => crypto().crypto,
        util: () => node().util,
        assert: () => node().assert,
        module: () => ({ createRequire: () => own }),
        process: () => globalThis.process,
    };
    Object.setPrototypeOf(BUILT_IN, null);
    const loaded = Object.create(null);

    function moduleOf(exports) {
        return { exports, parent: null, children: [], loaded: false };
    }

    const read = Object.create(null);

    // Whether a file can be read as CommonJS; if not, it is an ES module, or wrong.
    function script(found) {
        try {
            read[found] ??= host("function", found);
        } catch (error) {
            return false;
        }
        return !found.endsWith(".mjs");
    }

    // As Node.js finds a file: from the directory of the one that asks, then, for old packs, from the top.
    function place(folder, name) {
        return [joined(folder, name), name.replace(/^(\.\.?\/)+/, "")]
            .flatMap((path) => [path, path + ".js", path + "/index.js", path + ".json", path + ".mjs", path + ".cjs"])
            .find((file) => OWN.call(files, file));
    }

    function asker(folder) {
        return function require(name) {
            name = String(name);
            const built = name.replace(/^node:/, "").replace(/\/strict$/, "");
            if (built in BUILT_IN && !name.startsWith(".")) return (loaded["node:" + built] ??= BUILT_IN[built]());
            const found = place(folder, name);
            const absent = found === undefined && node().absent(built);
            if (absent) return (loaded["node:" + built] = absent);
            if (found === undefined)
                throw new Error(`Cannot find module '${name}': a codec has the files of its pack, and buffer, crypto, util and assert`);
            if (!(found in loaded)) {
                const made = (loaded[found] = moduleOf({}));
                try {
                    run(found, made);
                } catch (error) {
                    delete loaded[found];
                    throw error;
                }
            }
            return loaded[found].exports;
        };
    }

    function run(found, made) {
        const source = files[found];
        if (found.endsWith(".json")) made.exports = parse(source.replace(/^\ufeff/, ""));
        else if (!script(found)) made.exports = host("load", found);
        else read[found].call(made.exports, made, made.exports, asker(found.split("/").slice(0, -1)));
    }

    function joined(folder, name) {
        const path = [...folder];
        for (const part of name.split("/")) {
            if (part === "..") path.pop();
            else if (part !== "." && part !== "") path.push(part);
        }
        return path.join("/");
    }

    globalThis.module = moduleOf({});
    globalThis.exports = globalThis.module.exports;
    globalThis.require = asker([]);
    const own = globalThis.require;

    // -- the codec's functions ------------------------------------------------------------------------------------

    let namespace, source = "";
    const before = new Set(Object.getOwnPropertyNames(globalThis));
    const held = (value) => value !== null && (typeof value === "object" || typeof value === "function");

    // `const decodeUplink = …` at the top of a script is a name of the script, and no property of any object.
    function lexical(name) {
        return /^[\w$]+$/.test(name) ? evaluate(`typeof ${name} === "undefined" ? undefined : ${name}`) : undefined;
    }

    function homes() {
        const told = globalThis.module && globalThis.module.exports;
        const roots = [namespace, namespace && namespace.default, told, globalThis.exports, globalThis, told && told.default];
        roots.push(lexical("driver"));
        return [...new Set(roots.flatMap((root) => (held(root) ? [root, root.driver, root.driver && root.driver.default] : [])))].filter(held);
    }

    // What a bundler calls the object is for its author to say: any that has the function, if it is the only one.
    function elsewhere(name) {
        const objects = new Map();
        const add = (called, value) => {
            if (held(value) && value !== globalThis && callable(value[name])) objects.set(value, called);
            if (held(value) && held(value.default) && callable(value.default[name])) objects.set(value.default, called);
        };
        for (const root of [namespace, globalThis.module && globalThis.module.exports])
            if (held(root)) for (const key of Object.keys(root)) add(key, root[key]);
        for (const key of Object.getOwnPropertyNames(globalThis)) if (!before.has(key)) add(key, globalThis[key]);
        for (const [, called] of source.matchAll(/^(?:const|let|class)\s+([\w$]+)/gm)) add(called, lexical(called));
        if (objects.size > 1) throw new Error(`the codec has ${name} in several objects: ${[...objects.values()].join(", ")}`);
        const [home] = objects.keys();
        return home && method(home, name);
    }

    // The name of a function's first parameter.
    function first(call) {
        const shown = /^(?:async\s+)?(?:function\s*\*?)?\s*[\w$]*\s*\(?\s*([\w$]*)/.exec(sourceOf(call));
        return shown ? shown[1] : "";
    }

    const sourceOf = (call) => Function.prototype.toString.call(call);
    const callable = (value) => typeof value === "function" && !/^class\b/.test(sourceOf(value));

    // A function with what it was found in as its `this`.
    function method(home, name) {
        const of = home[name];
        return Object.assign((...given) => of.apply(home, given), { of });
    }

    function find(name) {
        for (const home of homes()) {
            if (callable(home[name])) return method(home, name);
            if (callable(home) && home.name === name) return home;
        }
        const call = lexical(name);
        return callable(call) ? call : undefined;
    }

    // A module that is one function: `module.exports = (input) => …`, `export default function (input) …`.
    function alone() {
        const told = globalThis.module && globalThis.module.exports;
        const call = [namespace && namespace.default, told, told && told.default].find(callable);
        return call && call.length === 1 && !Object.keys(call).length ? call : undefined;
    }

    const ENVELOPE = new Set(["data", "warnings", "errors"]);

    // `decode` is in no standard: some take the bytes and the port, some the port first, some what decodeUplink takes.
    function loose(call, input) {
        const bytes = Object.assign([...input.bytes], input, { length: input.bytes.length });
        const name = first(call.of || call);
        if (/hex/i.test(name)) return call(text.Buffer.from(input.bytes).toString("hex"), input.fPort);
        return /port/i.test(name) ? call(input.fPort, bytes, {}) : call(bytes, input.fPort, {});
    }

    const enveloped = (answer) => (held(answer) && "data" in answer && Object.keys(answer).every((key) => ENVELOPE.has(key)) ? answer : { data: answer });
    const then = (answer, next) => (held(answer) && typeof answer.then === "function" ? Promise.resolve(answer).then(next) : next(answer));
    const plainly = (call, input) => call(input, globalThis.context);
    // Some leave the envelope out, in both directions.
    const opened = (answer) => (held(answer) && !isArray(answer) && Object.keys(answer).length && ![...ENVELOPE].some((key) => key in answer) ? { data: answer } : answer);
    const told = ({ data, ...rest }) => (held(data) ? { __proto__: { ...data }, data, ...rest } : { data, ...rest });

    const FORMS = {
        decodeUplink: [
            ["decodeUplink", (call, input) => then(plainly(call, input), opened)],
            ["Decoder", (call, input) => then(call(input.bytes, input.fPort), (data) => ({ data }))],
            ["Decode", (call, input) => then(call(input.fPort, input.bytes, input.variables), (data) => ({ data }))],
            ["decode", (call, input) => then(loose(call, input), enveloped)],
        ],
        encodeDownlink: [
            ["encodeDownlink", (call, input) => plainly(call, told(input))],
            ["Encoder", (call, { data, fPort }) => then(call(data, fPort), (bytes) => ({ bytes, fPort }))],
            ["Encode", (call, { data, fPort }) => then(call(fPort, data, {}), (bytes) => ({ bytes, fPort }))],
        ],
    };
    Object.setPrototypeOf(FORMS, null);
    const entries = Object.create(null);

    function entry(name) {
        const forms = FORMS[name] || [[name, plainly]];
        for (const look of [find, elsewhere]) {
            for (const [called, form] of forms) {
                const call = look(called);
                if (call !== undefined) return (input) => form(call, input);
            }
        }
        const call = name === "decodeUplink" && alone();
        if (call) return (input) => then(plainly(call, input), opened);
        throw new Error(name === "decodeUplink" ? "the codec has no decodeUplink, Decoder or Decode" : "the codec has no " + name);
    }

    function ready(exported, text) {
        namespace = exported, source = text;
        try {
            entries.decodeUplink = entry("decodeUplink");
        } catch (error) {
            entries.decodeUplink = () => { throw error; };
        }
    }

    // -- the way in ----------------------------------------------------------------------------------------------

    // What some hosts give besides, for a codec that asks for it; not among the names of the input's own.
    const besides = Object.create(Object.prototype, {});
    for (const [name, get] of [["time", function () { return this.recvTime; }], ["context", () => globalThis.context]])
        defineProperty(besides, name, {
            get,
            set(value) { defineProperty(this, name, { value, writable: true, enumerable: true, configurable: true }); },
        });

    function frame({ bytes, fPort, recvTime }) {
        const input = { __proto__: besides, bytes, fPort };
        if (recvTime !== null) input.recvTime = new Date(recvTime);
        input.variables = {};
        return input;
    }

    function plain(key, value) {
        if (typeof value === "bigint") return isSafeInteger(Number(value)) ? Number(value) : String(value);
        if (typeof value === "number" && !isFinite(value)) return null;
        if (typeof value === "string") return value.toWellFormed();
        return value;
    }

    function written(answer) {
        if (answer === null || typeof answer !== "object" || isArray(answer)) throw new TypeError("the codec returned no object");
        const text = stringify(answer, plain);
        if (text === undefined) throw new TypeError("the codec returned no object");
        if (text.length > OUTPUT) throw new RangeError("the codec returned " + text.length + " characters");
        return text;
    }

    function enter(name, argument) {
        const input = parse(argument);
        entries[name] ??= entry(name);
        return then(entries[name](name === "decodeUplink" ? frame(input) : input), written);
    }

    const parts = {
        enter, ready, intl, script,
        wrapped: (made) => void made.call(globalThis.exports, globalThis.module, globalThis.exports, own),
        names: (name) => Object.keys(own(name)).join(),
    };
    return (part) => parts[part];
});

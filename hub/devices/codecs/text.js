// Text as bytes and back, as in Node.js 20: the encodings of Buffer, TextDecoder, TextEncoder, atob and btoa.
"use strict";
(function () {
    const { fromCharCode, fromCodePoint } = String;
    const BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const BASE64URL = BASE64.slice(0, 62) + "-_";
    const VALUES = new Int8Array(128).fill(-1);
    for (let at = 0; at < 64; at++) VALUES[BASE64.charCodeAt(at)] = VALUES[BASE64URL.charCodeAt(at)] = at;
    const HEX = "0123456789abcdef";
    const ENCODINGS = {
        utf8: "utf8", "utf-8": "utf8", hex: "hex", base64: "base64", base64url: "base64url", ascii: "ascii",
        latin1: "latin1", binary: "latin1", ucs2: "utf16le", "ucs-2": "utf16le", utf16le: "utf16le", "utf-16le": "utf16le",
    };
    Object.setPrototypeOf(ENCODINGS, null);

    // -- errors, in the words of Node.js -------------------------------------------------------------------------

    function failed(kind, code, message) {
        const error = new kind(message);
        error.code = code;
        return error;
    }

    function received(value) {
        if (value === undefined || value === null) return String(value);
        if (typeof value === "function") return "function " + value.name;
        if (typeof value === "object") return value.constructor && value.constructor.name ? "an instance of " + value.constructor.name : "[Object: null prototype] {}";
        const text = typeof value === "string" ? `'${value}'` : typeof value === "bigint" ? value + "n" : String(value);
        return `type ${typeof value} (${text.length > 28 ? text.slice(0, 25) + "..." : text})`;
    }

    function mustBe(name, what, value) {
        return failed(TypeError, "ERR_INVALID_ARG_TYPE", `The "${name}" argument must be ${what}. Received ${received(value)}`);
    }

    function outOfRange(name, range, value) {
        const long = (typeof value === "bigint" || Number.isInteger(value)) && Math.abs(Number(value)) > 2 ** 32;
        const text = (long ? String(value).replace(/(?<!^-?)(?=(?:.{3})+$)/g, "_") : String(value)) + (typeof value === "bigint" ? "n" : "");
        return failed(RangeError, "ERR_OUT_OF_RANGE", `The value of "${name}" is out of range. It must be ${range}. Received ${text}`);
    }

    function encodingOf(name) {
        if (name === undefined || name === null || name === "") return "utf8";
        const known = ENCODINGS[name] || ENCODINGS[String(name).toLowerCase()];
        if (known === undefined) throw failed(TypeError, "ERR_UNKNOWN_ENCODING", "Unknown encoding: " + name);
        return known;
    }

    // -- text ----------------------------------------------------------------------------------------------------

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
        for (let at = 0; at < text.length; at++) {
            const code = text.charCodeAt(at);
            if (code === 61) break;
            const value = code < 128 ? VALUES[code] : -1;
            if (value < 0) continue;
            word = ((word << 6) | value) & 0xfffff;
            bits += 6;
            if (bits >= 8) bytes.push((word >> (bits -= 8)) & 0xff);
        }
        return bytes;
    }

    function encodeUtf8(text) {
        const bytes = [];
        for (let at = 0; at < text.length; at++) {
            let code = text.charCodeAt(at);
            if (code < 0x80) {
                bytes.push(code);
                continue;
            }
            if (code >= 0xd800 && code <= 0xdfff) {
                code = text.codePointAt(at);
                if (code > 0xffff) at++;
                else code = 0xfffd;
            }
            if (code < 0x800) bytes.push(0xc0 | (code >> 6), 0x80 | (code & 63));
            else if (code < 0x10000) bytes.push(0xe0 | (code >> 12), 0x80 | ((code >> 6) & 63), 0x80 | (code & 63));
            else bytes.push(0xf0 | (code >> 18), 0x80 | ((code >> 12) & 63), 0x80 | ((code >> 6) & 63), 0x80 | (code & 63));
        }
        return bytes;
    }

    // The WHATWG decoder (Encoding Standard, 8.1.1): one replacement character for each maximal part of a sequence.
    function decodeUtf8(bytes, fatal) {
        let out = "", code = 0, needed = 0, low = 0x80, high = 0xbf;
        const wrong = () => {
            if (fatal) throw failed(TypeError, "ERR_ENCODING_INVALID_ENCODED_DATA", "The encoded data was not valid for encoding utf-8");
            out += "\ufffd";
        };
        for (let at = 0; at <= bytes.length; at++) {
            const byte = bytes[at];
            if (needed) {
                if (at < bytes.length && byte >= low && byte <= high) {
                    code = (code << 6) | (byte & 63);
                    low = 0x80, high = 0xbf;
                    if (--needed === 0) out += fromCodePoint(code);
                    continue;
                }
                wrong();
                needed = 0, low = 0x80, high = 0xbf;
            }
            if (at === bytes.length) break;
            if (byte < 0x80) out += fromCharCode(byte);
            else if (byte >= 0xc2 && byte <= 0xdf) needed = 1, code = byte & 31;
            else if (byte >= 0xe0 && byte <= 0xef) {
                needed = 2, code = byte & 15;
                if (byte === 0xe0) low = 0xa0;
                if (byte === 0xed) high = 0x9f;
            } else if (byte >= 0xf0 && byte <= 0xf4) {
                needed = 3, code = byte & 7;
                if (byte === 0xf0) low = 0x90;
                if (byte === 0xf4) high = 0x8f;
            } else wrong();
        }
        return out;
    }

    function singles(bytes, mask) {
        let out = "";
        for (let at = 0; at < bytes.length; at++) out += fromCharCode(bytes[at] & mask);
        return out;
    }

    function bytesOf(text, encoding) {
        const bytes = [];
        switch (encodingOf(encoding)) {
            case "utf8": return encodeUtf8(text);
            case "base64": case "base64url": return decodeBase64(text);
            case "hex":
                for (let at = 0; at + 1 < text.length; at += 2) {
                    const pair = text.slice(at, at + 2);
                    if (!/^[0-9a-fA-F]{2}$/.test(pair)) break;
                    bytes.push(parseInt(pair, 16));
                }
                return bytes;
            case "utf16le":
                for (let at = 0; at < text.length; at++) bytes.push(text.charCodeAt(at) & 0xff, text.charCodeAt(at) >> 8);
                return bytes;
            default:
                for (let at = 0; at < text.length; at++) bytes.push(text.charCodeAt(at) & 0xff);
                return bytes;
        }
    }

    function textOf(bytes, encoding) {
        let out = "";
        switch (encodingOf(encoding)) {
            case "utf8": return decodeUtf8(bytes);
            case "base64": return encodeBase64(bytes, BASE64, true);
            case "base64url": return encodeBase64(bytes, BASE64URL, false);
            case "ascii": return singles(bytes, 0x7f);
            case "latin1": return singles(bytes, 0xff);
            case "hex":
                for (let at = 0; at < bytes.length; at++) out += HEX[bytes[at] >> 4] + HEX[bytes[at] & 15];
                return out;
            default:
                for (let at = 0; at + 1 < bytes.length; at += 2) out += fromCharCode(bytes[at] | (bytes[at + 1] << 8));
                return out;
        }
    }

    // -- the web's ways ------------------------------------------------------------------------------------------

    const LABELS = { "utf-8": "utf-8", utf8: "utf-8", "unicode-1-1-utf-8": "utf-8", "utf-16le": "utf-16le", "utf-16": "utf-16le" };
    Object.setPrototypeOf(LABELS, null);
    for (const name of ["latin1", "ascii", "us-ascii", "iso-8859-1", "iso8859-1", "iso_8859-1", "l1", "windows-1252", "cp1252"]) LABELS[name] = "windows-1252";
    const WINDOWS = "\u20ac\u0081\u201a\u0192\u201e\u2026\u2020\u2021\u02c6\u2030\u0160\u2039\u0152\u008d\u017d\u008f"
        + "\u0090\u2018\u2019\u201c\u201d\u2022\u2013\u2014\u02dc\u2122\u0161\u203a\u0153\u009d\u017e\u0178";

    class TextDecoder {
        constructor(label, options) {
            this.encoding = LABELS[label === undefined ? "utf-8" : String(label).trim().toLowerCase()];
            if (this.encoding === undefined) throw failed(RangeError, "ERR_ENCODING_NOT_SUPPORTED", `The "${label}" encoding is not supported`);
            this.fatal = !!(options && options.fatal);
            this.ignoreBOM = !!(options && options.ignoreBOM);
        }
        decode(value, options) {
            if (options && options.stream) throw new TypeError("the hub decodes no stream of text");
            if (value === undefined) return "";
            const plain = value instanceof ArrayBuffer || value instanceof SharedArrayBuffer;
            if (!plain && !ArrayBuffer.isView(value)) throw mustBe("list", "an instance of SharedArrayBuffer, ArrayBuffer or ArrayBufferView", value);
            const bytes = plain ? new Uint8Array(value) : new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
            if (this.encoding === "windows-1252") return singles(bytes, 0xff).replace(/[\x80-\x9f]/g, (c) => WINDOWS[c.charCodeAt(0) - 128]);
            let text = this.encoding === "utf-8" ? decodeUtf8(bytes, this.fatal) : textOf(bytes, "utf16le");
            if (this.encoding === "utf-16le") {
                if (this.fatal && (bytes.length % 2 || !text.isWellFormed()))
                    throw failed(TypeError, "ERR_ENCODING_INVALID_ENCODED_DATA", "The encoded data was not valid for encoding utf-16le");
                text = text.toWellFormed() + (bytes.length % 2 ? "\ufffd" : "");
            }
            return this.ignoreBOM ? text : text.replace(/^\ufeff/, "");
        }
    }

    class TextEncoder {
        get encoding() { return "utf-8"; }
        encode(text) { return new Uint8Array(encodeUtf8(text === undefined ? "" : String(text))); }
        encodeInto(text, target) {
            let read = 0, written = 0;
            for (const character of String(text)) {
                const bytes = encodeUtf8(character);
                if (written + bytes.length > target.length) break;
                target.set(bytes, written);
                read += character.length, written += bytes.length;
            }
            return { read, written };
        }
    }

    function invalid(message) {
        const error = new Error(message);
        error.name = "InvalidCharacterError";
        return error;
    }

    function atob(value) {
        const text = String(value).replace(/[\t\n\f\r ]/g, "");
        const bare = text.length % 4 === 0 ? text.replace(/={1,2}$/, "") : text;
        if (bare.length % 4 === 1 || /[^A-Za-z0-9+/]/.test(bare)) throw invalid("The string to be decoded is not correctly encoded.");
        return singles(decodeBase64(bare), 0xff);
    }

    function btoa(value) {
        const text = String(value);
        if (/[^\0-\xff]/.test(text)) throw invalid("Invalid character");
        return encodeBase64(bytesOf(text, "latin1"), BASE64, true);
    }

    return { TextDecoder, TextEncoder, atob, btoa, ENCODINGS, encodingOf, bytesOf, textOf, failed, received, mustBe, outOfRange };
})

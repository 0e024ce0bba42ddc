// `require("crypto")` as in Node.js 20: AES, HMAC and hashes, computed by the hub's own libraries. What is missing says so.
"use strict";
(function (host, { Buffer, mustBe }) {
    const LENGTHS = { 128: 16, 192: 24, 256: 32 };

    function coded(kind, code, message) {
        const error = new kind(message);
        error.code = code;
        return error;
    }

    function bytes(value, encoding, name) {
        if (typeof value === "string") return Buffer.from(value, encoding === "buffer" ? "utf8" : encoding);
        if (value instanceof SecretKey) return value.export();
        if (ArrayBuffer.isView(value)) return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
        if (value instanceof ArrayBuffer) return new Uint8Array(value);
        throw mustBe(name, "of type string or an instance of Buffer, TypedArray, or DataView", value);
    }

    // What Python gives is a Uint8Array of its own bytes.
    function buffer(array) {
        return Buffer.from(array.buffer, array.byteOffset, array.length);
    }

    function given(result, encoding) {
        return encoding === undefined || encoding === null || encoding === "buffer" ? result : result.toString(encoding);
    }

    class SecretKey {
        #key;
        constructor(key) { this.#key = Buffer.from(key); }
        get type() { return "secret"; }
        get symmetricKeySize() { return this.#key.length; }
        export() { return this.#key; }
    }

    class Hash {
        #parts = [];
        #done = false;
        #ask;
        constructor(ask) { this.#ask = ask; }
        update(data, encoding) {
            if (this.#done) throw coded(Error, "ERR_CRYPTO_HASH_FINALIZED", "Digest already called");
            this.#parts.push(Buffer.from(bytes(data, encoding, "data")));
            return this;
        }
        digest(encoding) {
            if (this.#done) throw coded(Error, "ERR_CRYPTO_HASH_FINALIZED", "Digest already called");
            this.#done = true;
            return given(buffer(this.#ask(Buffer.concat(this.#parts))), encoding);
        }
        copy() {
            const other = new Hash(this.#ask);
            for (const part of this.#parts) other.update(part);
            return other;
        }
    }

    function createHash(name) {
        if (typeof name !== "string") throw mustBe("algorithm", "of type string", name);
        host("digest", name, new Uint8Array(0));
        return new Hash((data) => host("digest", name, data));
    }

    function createHmac(name, key) {
        const secret = Buffer.from(bytes(key, "utf8", "key"));
        host("hmac", name, secret, new Uint8Array(0));
        return new Hash((data) => host("hmac", name, secret, data));
    }

    // -- ciphers -------------------------------------------------------------------------------------------------

    const SHORT = { aes128: "aes-128-cbc", aes192: "aes-192-cbc", aes256: "aes-256-cbc" };

    function counted(start, blocks) {
        const counter = Buffer.from(start);
        for (let at = 15; at >= 0 && blocks; at--) {
            blocks += counter[at];
            counter[at] = blocks % 256;
            blocks = Math.floor(blocks / 256);
        }
        return counter;
    }

    class Cipher {
        #mode; #key; #start; #encrypt; #tagLength; #tag; #data;
        #padded = true;
        #done = false;
        #rest = Buffer.alloc(0);   // what waits for the end of its block; with gcm and ccm, all that came
        #position = 0;
        constructor(name, key, start, options, encrypt) {
            if (typeof name !== "string") throw mustBe("cipher", "of type string", name);
            const asked = SHORT[name.toLowerCase()] || name.toLowerCase();
            const [, bits, mode] = /^(?:id-)?aes-?(128|192|256)-(ecb|cbc|ctr|gcm|ccm)$/.exec(asked) || [];
            if (mode === undefined) throw coded(Error, "ERR_CRYPTO_UNKNOWN_CIPHER", `Unknown cipher: the hub has no ${name}`);
            this.#key = Buffer.from(bytes(key, "utf8", "key"));
            if (this.#key.length !== LENGTHS[bits]) throw coded(RangeError, "ERR_CRYPTO_INVALID_KEYLEN", "Invalid key length");
            this.#start = start === null ? Buffer.alloc(0) : Buffer.from(bytes(start, "utf8", "iv"));
            const wanted = mode === "ecb" ? 0 : mode === "cbc" || mode === "ctr" ? 16 : this.#start.length || -1;
            if (this.#start.length !== wanted) throw coded(TypeError, "ERR_CRYPTO_INVALID_IV", "Invalid initialization vector");
            this.#tagLength = options && options.authTagLength;
            if (mode === "ccm" && this.#tagLength === undefined)
                throw coded(Error, "ERR_CRYPTO_INVALID_AUTH_TAG", `authTagLength required for ${name}`);
            this.#mode = mode;
            this.#encrypt = encrypt;
            this.#data = Buffer.alloc(0);
        }
        update(data, from, to) {
            if (this.#done) throw coded(Error, "ERR_CRYPTO_INVALID_STATE", "Trying to add data in unsupported state");
            return given(this.#turned(bytes(data, from, "data")), to);
        }
        final(to) {
            if (this.#done) throw coded(Error, "ERR_CRYPTO_INVALID_STATE", "Unsupported state");
            this.#done = true;
            return given(this.#last(), to);
        }
        setAutoPadding(on) {
            this.#padded = on === undefined || !!on;
            return this;
        }
        setAAD(data, options) {
            this.#data = Buffer.concat([this.#data, bytes(data, options && options.encoding, "buffer")]);
            return this;
        }
        getAuthTag() {
            if (!this.#encrypt || !this.#done || this.#tag === undefined) throw coded(Error, "ERR_CRYPTO_INVALID_STATE", "Invalid state for operation getAuthTag");
            return this.#tag;
        }
        setAuthTag(tag, encoding) {
            this.#tag = Buffer.from(bytes(tag, encoding, "buffer"));
            return this;
        }
        #turned(data) {
            if (this.#mode === "gcm" || this.#mode === "ccm") {
                if (this.#mode === "ccm" && this.#rest.length) throw coded(Error, "ERR_CRYPTO_INVALID_STATE", "Unsupported state");
                const before = this.#rest.length;
                this.#rest = Buffer.concat([this.#rest, data]);
                return this.#sealed(this.#rest).subarray(before, this.#rest.length);
            }
            if (this.#mode === "ctr") {
                const before = this.#position % 16;
                const out = host("aes", "ctr", this.#key, counted(this.#start, Math.floor(this.#position / 16)), Buffer.concat([Buffer.alloc(before), data]), 1);
                this.#position += data.length;
                return buffer(out).subarray(before);
            }
            const all = Buffer.concat([this.#rest, data]);
            const held = !this.#encrypt && this.#padded && all.length ? 1 : 0;   // the last block may be padding
            const count = Math.floor((all.length - held) / 16) * 16;
            this.#rest = all.subarray(count);
            return this.#blocks(all.subarray(0, count));
        }
        #blocks(data) {
            if (!data.length) return Buffer.alloc(0);
            const out = buffer(host("aes", this.#mode, this.#key, this.#start, data, this.#encrypt ? 1 : 0));
            if (this.#mode === "cbc") this.#start = Buffer.from((this.#encrypt ? out : data).subarray(-16));
            return out;
        }
        #sealed(data) {
            return buffer(host("aead", this.#mode, this.#key, this.#start, data, this.#data, this.#tagLength || 16));
        }
        #last() {
            if (this.#mode === "ctr") return Buffer.alloc(0);
            if (this.#mode === "gcm" || this.#mode === "ccm") {
                const length = this.#tagLength || 16;
                const turned = this.#sealed(this.#rest);
                if (this.#encrypt) this.#tag = turned.subarray(-16).subarray(0, length);
                if (this.#mode === "ccm" && this.#encrypt) this.#tag = turned.subarray(this.#rest.length);
                if (!this.#encrypt) {
                    const text = turned.subarray(0, this.#rest.length);
                    const tag = this.#tag && this.#sealed(text).subarray(this.#rest.length).subarray(0, this.#tag.length);
                    if (!tag || !tag.length || !tag.equals(this.#tag)) throw new Error("Unsupported state or unable to authenticate data");
                }
                return Buffer.alloc(0);
            }
            const wrong = () => coded(Error, "ERR_OSSL_WRONG_FINAL_BLOCK_LENGTH", "error:1C80006B:Provider routines::wrong final block length");
            if (!this.#padded) {
                if (this.#rest.length) throw wrong();
                return Buffer.alloc(0);
            }
            if (this.#encrypt) {
                const missing = 16 - this.#rest.length;
                return this.#blocks(Buffer.concat([this.#rest, Buffer.alloc(missing, missing)]));
            }
            if (this.#rest.length !== 16) throw wrong();
            const text = this.#blocks(this.#rest);
            const count = text[15];
            if (count < 1 || count > 16 || text.subarray(16 - count).some((byte) => byte !== count))
                throw coded(Error, "ERR_OSSL_BAD_DECRYPT", "error:1C800064:Provider routines::bad decrypt");
            return text.subarray(0, 16 - count);
        }
    }

    // -- chance --------------------------------------------------------------------------------------------------

    function randomBytes(size, back) {
        if (back !== undefined) throw new Error("the hub's crypto.randomBytes takes no callback: a codec has no event loop");
        if (typeof size !== "number") throw mustBe("size", "of type number", size);
        return buffer(host("random", size));
    }

    function randomFillSync(target) {
        const view = new Uint8Array(target.buffer, target.byteOffset, target.byteLength);
        view.set(randomBytes(view.length));
        return target;
    }

    function randomInt(low, high) {
        if (high === undefined) [low, high] = [0, low];
        if (!Number.isSafeInteger(low) || !Number.isSafeInteger(high) || low >= high || high - low > 2 ** 48 - 1)
            throw new RangeError('The value of "max" is out of range.');
        const range = high - low, most = 2 ** 48 - (2 ** 48 % range);
        for (;;) {
            const drawn = randomBytes(6).readUIntBE(0, 6);
            if (drawn < most) return low + (drawn % range);
        }
    }

    function randomUUID() {
        const drawn = randomBytes(16);
        drawn[6] = (drawn[6] & 15) | 64;
        drawn[8] = (drawn[8] & 63) | 128;
        return drawn.toString("hex").replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
    }

    function timingSafeEqual(one, other) {
        const [a, b] = [bytes(one, "utf8", "buf1"), bytes(other, "utf8", "buf2")];
        if (typeof one === "string" || typeof other === "string") throw mustBe(typeof one === "string" ? "buf1" : "buf2", "an instance of ArrayBuffer, Buffer, TypedArray, or DataView", "");
        if (a.length !== b.length) throw coded(RangeError, "ERR_CRYPTO_TIMING_SAFE_EQUAL_LENGTH", "Input buffers must have the same byte length");
        let different = 0;
        for (let at = 0; at < a.length; at++) different |= a[at] ^ b[at];
        return different === 0;
    }

    const modes = ["ecb", "cbc", "ctr", "gcm", "ccm"];
    const crypto = {
        createHash, createHmac, randomBytes, randomFillSync, randomInt, randomUUID, timingSafeEqual,
        createCipheriv: (name, key, start, options) => new Cipher(name, key, start, options, true),
        createDecipheriv: (name, key, start, options) => new Cipher(name, key, start, options, false),
        createSecretKey: (key, encoding) => new SecretKey(bytes(key, encoding, "key")),
        getHashes: () => ["md5", "sha1", "sha224", "sha256", "sha3-224", "sha3-256", "sha3-384", "sha3-512", "sha384", "sha512"],
        getCiphers: () => [128, 192, 256].flatMap((bits) => modes.map((mode) => `aes-${bits}-${mode}`)),
        pseudoRandomBytes: randomBytes,
        getRandomValues: randomFillSync,
        constants: {},
    };
    for (const name of ["pbkdf2", "pbkdf2Sync", "scrypt", "scryptSync", "hkdf", "hkdfSync", "createSign", "createVerify", "sign", "verify",
        "createCipher", "createDecipher", "createPrivateKey", "createPublicKey", "generateKey", "generateKeySync", "generateKeyPair",
        "generateKeyPairSync", "generatePrime", "generatePrimeSync", "checkPrime", "checkPrimeSync", "publicEncrypt", "publicDecrypt",
        "privateEncrypt", "privateDecrypt", "createDiffieHellman", "createDiffieHellmanGroup", "getDiffieHellman", "diffieHellman",
        "createECDH", "randomFill", "getCurves", "getCipherInfo", "X509Certificate", "Certificate", "Sign", "Verify", "ECDH"])
        crypto[name] = function () { throw new Error(`the hub has no crypto.${name} for codecs`); };

    // -- the web's ways ------------------------------------------------------------------------------------------

    class CryptoKey {
        #key;
        constructor(key, algorithm, extractable, usages) {
            this.#key = key;
            Object.assign(this, { type: "secret", algorithm, extractable, usages });
        }
        static bytes(key) { return key.#key; }
    }

    function named(algorithm) {
        const wanted = typeof algorithm === "string" ? { name: algorithm } : algorithm;
        return { ...wanted, name: String(wanted.name).toUpperCase() };
    }

    const plain = (data) => Uint8Array.from(bytes(data, undefined, "data")).buffer;
    const HASH = (hash) => named(hash).name.replace(/^SHA-/, "sha").toLowerCase();

    async function sealed(algorithm, key, data, encrypt) {
        const wanted = named(algorithm), secret = CryptoKey.bytes(key);
        const mode = { "AES-CBC": "cbc", "AES-CTR": "ctr", "AES-GCM": "gcm" }[wanted.name];
        if (mode === undefined) throw new Error(`the hub has no ${wanted.name} in crypto.subtle for codecs`);
        if (mode === "ctr" && wanted.length !== 128) throw new Error("the hub's AES-CTR counts in 128 bits");
        const length = mode === "gcm" ? (wanted.tagLength || 128) / 8 : undefined;
        const cipher = new Cipher(`aes-${8 * secret.length}-${mode}`, secret, mode === "ctr" ? wanted.counter : wanted.iv, { authTagLength: length }, encrypt);
        if (wanted.additionalData !== undefined) cipher.setAAD(wanted.additionalData);
        let input = Buffer.from(bytes(data, undefined, "data"));
        if (mode === "gcm" && !encrypt) {
            cipher.setAuthTag(input.subarray(-length));
            input = input.subarray(0, -length);
        }
        const parts = [cipher.update(input), cipher.final()];
        return plain(Buffer.concat(mode === "gcm" && encrypt ? [...parts, cipher.getAuthTag()] : parts));
    }

    const subtle = {
        digest: async (algorithm, data) => plain(createHash(HASH(algorithm)).update(bytes(data, undefined, "data")).digest()),
        async importKey(format, data, algorithm, extractable, usages) {
            if (format !== "raw") throw new Error(`the hub's crypto.subtle imports no key in format ${format}`);
            const wanted = named(algorithm), key = Buffer.from(bytes(data, undefined, "keyData"));
            if (wanted.hash !== undefined) wanted.hash = named(wanted.hash);
            return new CryptoKey(key, { ...wanted, length: 8 * key.length }, !!extractable, [...usages]);
        },
        async exportKey(format, key) {
            if (format !== "raw" || !key.extractable) throw new Error("the hub's crypto.subtle exports this key in no such format");
            return plain(CryptoKey.bytes(key));
        },
        encrypt: (algorithm, key, data) => sealed(algorithm, key, data, true),
        decrypt: (algorithm, key, data) => sealed(algorithm, key, data, false),
        sign: async (algorithm, key, data) => plain(createHmac(HASH(key.algorithm.hash), CryptoKey.bytes(key)).update(bytes(data, undefined, "data")).digest()),
        verify: async (algorithm, key, signature, data) => Buffer.from(await subtle.sign(algorithm, key, data)).equals(Buffer.from(bytes(signature, undefined, "signature"))),
    };
    for (const name of ["deriveBits", "deriveKey", "generateKey", "unwrapKey", "wrapKey"])
        subtle[name] = function () { throw new Error(`the hub has no crypto.subtle.${name} for codecs`); };
    const web = { getRandomValues: randomFillSync, randomUUID, subtle };
    crypto.webcrypto = web;
    crypto.subtle = subtle;
    return { crypto, web };
})

// Dragino LHT65: battery and its state, built-in temperature and humidity, kind of external sensor, its value.
"use strict";

const NONE = 0, PROBE = 1, MISSING = 0x7fff;

function decodeUplink(input) {
    const bytes = input.bytes;
    const word = (at) => (bytes[at] << 8) | bytes[at + 1];
    const celsius = (at) => ((word(at) << 16) >> 16) / 100;
    if (input.fPort !== 2 || bytes.length !== 11) return { errors: ["no values of an LHT65"] };
    const kind = bytes[6] & 0x0f;
    if (bytes[6] & 0x40) return { errors: ["an answer of the data log"] };
    if (kind !== NONE && kind !== PROBE) return { errors: ["an external sensor of kind " + kind] };
    const data = {
        battery: (word(0) & 0x3fff) / 1000,
        temperature: word(2) === MISSING ? null : celsius(2),
        humidity: (word(4) & 0xfff) / 10,
    };
    const connected = (bytes[6] & 0x80) === 0 && word(7) !== MISSING;
    if (kind === PROBE && connected) data.external = celsius(7);
    return { data };
}

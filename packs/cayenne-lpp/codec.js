// Cayenne LPP: channel, type, value; numbers are big-endian.
"use strict";

const TYPES = {
    // type: name, bytes, signed, divisor, and the names of the parts where there are several
    0x00: ["digital_input", 1, false, 1],
    0x01: ["digital_output", 1, false, 1],
    0x02: ["analog_input", 2, true, 100],
    0x03: ["analog_output", 2, true, 100],
    0x65: ["luminosity", 2, false, 1],
    0x66: ["presence", 1, false, 1],
    0x67: ["temperature", 2, true, 10],
    0x68: ["relative_humidity", 1, false, 2],
    0x71: ["accelerometer", 2, true, 1000, ["x", "y", "z"]],
    0x73: ["barometric_pressure", 2, false, 10],
    0x86: ["gyrometer", 2, true, 100, ["x", "y", "z"]],
    0x88: ["gps", 3, true, 10000, ["latitude", "longitude", "altitude"]],
};

function number(bytes, at, size, signed) {
    let value = 0;
    for (let n = 0; n < size; n++) value = value * 256 + bytes[at + n];
    const half = 2 ** (8 * size - 1);
    return signed && value >= half ? value - 2 * half : value;
}

function decodeUplink(input) {
    const bytes = input.bytes, data = {};
    if (bytes.length === 0) return { errors: ["an empty payload"] };
    for (let at = 0; at < bytes.length; ) {
        const channel = bytes[at], [name, size, signed, divisor, parts] = TYPES[bytes[at + 1]] || [];
        at += 2;
        const count = parts ? parts.length : 1;
        if (name === undefined || at + size * count > bytes.length) return { errors: ["a type that is not known or not whole"] };
        const values = Array.from({ length: count }, (_, n) => number(bytes, at + n * size, size, signed) / divisor);
        if (name === "gps") values[2] *= 100; // altitude has its own resolution
        const key = name + "_" + channel;
        data[key] = parts ? Object.fromEntries(parts.map((part, n) => [part, values[n]])) : values[0];
        at += size * count;
    }
    return { data };
}

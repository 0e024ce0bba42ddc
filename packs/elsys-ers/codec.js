// Elsys ERS family: type, value; numbers are big-endian. The two high bits of a type say that an offset in time follows;
// these devices do not send it, so it is refused.
"use strict";

const TYPES = {
    // type: bytes, what it sets
    0x01: [2, (d, v) => (d.temperature = ((v << 16) >> 16) / 10)],
    0x02: [1, (d, v) => (d.humidity = v)],
    0x03: [3, () => {}], // acceleration
    0x04: [2, (d, v) => (d.light = v)],
    0x05: [1, (d, v) => (d.motion = v)],
    0x06: [2, (d, v) => (d.co2 = v)],
    0x07: [2, (d, v) => (d.vdd = v)],
    0x0f: [1, () => {}], // movements of the sensor itself
    0x11: [1, (d, v) => (d.occupancy = v)],
    0x14: [4, (d, v) => (d.pressure = v / 1000)],
};

function decodeUplink(input) {
    const bytes = input.bytes, data = {};
    if (bytes.length === 0) return { errors: ["an empty payload"] };
    for (let at = 0; at < bytes.length; ) {
        const [size, set] = TYPES[bytes[at++]] || [];
        if (size === undefined || at + size > bytes.length) return { errors: ["a type that is not known or not whole"] };
        let value = 0;
        for (let n = 0; n < size; n++) value = value * 256 + bytes[at + n];
        set(data, value);
        at += size;
    }
    return { data };
}

// Milesight AM307, AM308 and AM319: channel, type, value; numbers are little-endian.
"use strict";

const CHANNELS = {
    // channel and type: bytes, what they set
    0x0175: [1, (d, v) => (d.battery = v)],
    0x0367: [2, (d, v) => (d.temperature = ((v << 16) >> 16) / 10)],
    0x0468: [1, (d, v) => (d.humidity = v / 2)],
    0x0500: [1, (d, v) => (d.pir = v === 1)],
    0x06cb: [1, (d, v) => (d.light_level = v)],
    0x077d: [2, (d, v) => (d.co2 = v)],
    0x087d: [2, (d, v) => (d.tvoc_raw = v)],
    0x0973: [2, (d, v) => (d.pressure = v / 10)],
    0x0a7d: [2, (d, v) => (d.hcho = v / 100)],
    0x0b7d: [2, (d, v) => (d.pm2_5 = v)],
    0x0c7d: [2, (d, v) => (d.pm10 = v)],
    // passed over
    0x08e6: [2, () => {}],
    0x0d7d: [2, () => {}],
    0x0e01: [1, () => {}],
    0xff01: [1, () => {}],
    0xff09: [2, () => {}],
    0xff0a: [2, () => {}],
    0xff0b: [1, () => {}],
    0xff0f: [1, () => {}],
    0xff16: [8, () => {}],
    0xffff: [2, () => {}],
};
const FORMER = 0x20ce; // their length depends on the model: nothing follows them

function decodeUplink(input) {
    const bytes = input.bytes, data = {};
    for (let at = 0; at < bytes.length; ) {
        const key = (bytes[at] << 8) | bytes[at + 1];
        if (key === FORMER) break;
        const [size, set] = CHANNELS[key] || [];
        if (size === undefined || at + 2 + size > bytes.length) return { errors: ["a channel that is not known or not whole"] };
        set(data, bytes[at + 2] | (size > 1 ? bytes[at + 3] << 8 : 0));
        at += 2 + size;
    }
    return { data };
}

// Milesight EM400-MUD: channel, type, value; numbers are little-endian. Alarms repeat the value, with a status.
"use strict";

const signed = (v) => (v << 16) >> 16;
const CHANNELS = {
    0x0175: [1, (d, v) => (d.battery = v)],
    0x0367: [2, (d, v) => (d.temperature = signed(v) / 10)],
    0x8367: [3, (d, v) => (d.temperature = signed(v) / 10)],
    0x0482: [2, (d, v) => (d.distance = v & 0xffff)],
    0x8482: [3, (d, v) => (d.distance = v & 0xffff)],
    0x0500: [1, (d, v) => (d.tilted = v === 1)],
};

function decodeUplink(input) {
    const bytes = input.bytes, data = {};
    for (let at = 0; at < bytes.length; ) {
        const [size, set] = CHANNELS[(bytes[at] << 8) | bytes[at + 1]] || [];
        if (size === undefined || at + 2 + size > bytes.length) return { errors: ["a channel that is not known or not whole"] };
        set(data, bytes[at + 2] | (size > 1 ? bytes[at + 3] << 8 : 0));
        at += 2 + size;
    }
    return { data };
}

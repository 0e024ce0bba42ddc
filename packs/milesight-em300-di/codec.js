// Milesight EM300-DI: channel, type, value; numbers are little-endian. Former values bring their own time.
"use strict";

const FORMER = 0x20ce, PULSE = 2;
const SIZES = { 0x0175: 1, 0x0367: 2, 0x0468: 1, 0x0500: 1, 0x05c8: 4, 0x06e1: 8, 0x8500: 2, 0x86e1: 9, 0x20ce: 13 };

function word(bytes, at) {
    return bytes[at] | (bytes[at + 1] << 8);
}

function long(bytes, at) {
    return word(bytes, at) + word(bytes, at + 2) * 0x10000;
}

const celsius = (bytes, at) => ((word(bytes, at) << 16) >> 16) / 10;

function decodeUplink(input) {
    const bytes = input.bytes, data = {}, history = [];
    for (let at = 0; at < bytes.length; ) {
        const key = (bytes[at] << 8) | bytes[at + 1], size = SIZES[key];
        at += 2;
        if (size === undefined || at + size > bytes.length) return { errors: ["a channel that is not known or not whole"] };
        if (key === 0x0175) data.battery = bytes[at];
        if (key === 0x0367) data.temperature = celsius(bytes, at);
        if (key === 0x0468) data.humidity = bytes[at] / 2;
        if (key === 0x05c8) data.pulses = long(bytes, at);
        if (key === FORMER) {
            const before = { time: long(bytes, at), temperature: celsius(bytes, at + 4), humidity: bytes[at + 6] / 2 };
            if (bytes[at + 7] === PULSE) before.pulses = long(bytes, at + 9);
            history.push(before);
        }
        at += size;
    }
    if (history.length) data.history = history;
    return { data };
}

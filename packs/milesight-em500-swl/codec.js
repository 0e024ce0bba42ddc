// Milesight EM500-SWL: channel, type, value; numbers are little-endian. Former values are passed over.
"use strict";

const SIZES = { 0x0175: 1, 0x0377: 2, 0x20ce: 6 };

function encodeDownlink(input) {
    const seconds = input.data.seconds; // set reporting interval
    return { bytes: [0xff, 0x03, seconds & 0xff, seconds >> 8], fPort: 85 };
}

function decodeUplink(input) {
    const bytes = input.bytes, data = {};
    for (let at = 0; at < bytes.length; ) {
        const key = (bytes[at] << 8) | bytes[at + 1], size = SIZES[key];
        if (size === undefined || at + 2 + size > bytes.length) return { errors: ["a channel that is not known or not whole"] };
        if (key === 0x0175) data.battery = bytes[at + 2];
        if (key === 0x0377) data.level_cm = bytes[at + 2] | (bytes[at + 3] << 8);
        at += 2 + size;
    }
    return { data };
}

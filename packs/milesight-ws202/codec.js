// Milesight WS202: channel, type, one byte.
"use strict";

function decodeUplink(input) {
    const bytes = input.bytes, data = {};
    if (bytes.length === 0 || bytes.length % 3 !== 0) return { errors: ["no payload of a WS202"] };
    for (let at = 0; at < bytes.length; at += 3) {
        const key = (bytes[at] << 8) | bytes[at + 1], value = bytes[at + 2];
        if (key === 0x0175) data.battery = value;
        else if (key === 0x0300) data.pir = value === 1;
        else if (key === 0x0400) data.daylight = value === 1;
        else return { errors: ["a channel that is not known"] };
    }
    return { data };
}

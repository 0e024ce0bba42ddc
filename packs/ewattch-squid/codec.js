// Ewattch SQUID: frame type (0x00 periodic, 0x01 event, 0x10 status), size of the rest, objects.
"use strict";

const CLAMPS = 0x48; // twelve unsigned numbers of 24 bits, little-endian, in 10 mAh
const SUPPLY = { 0: "critical", 1: "low", 2: "normal", 3: "normal", 4: "normal", 5: "normal", 6: "normal", 7: "normal" };

function status(bytes) {
    const data = { frame: "status" };
    const sizes = { 0x00: 1, 0x02: 2, 0x04: 1, 0x08: 2 };
    for (let at = 2; at < bytes.length; ) {
        const type = bytes[at], size = sizes[type];
        if (size === undefined || at + 1 + size > bytes.length) return { errors: ["a status object that is not known"] };
        if (type === 0x02) data.firmware = bytes[at + 2] + "." + bytes[at + 1];
        if (type === 0x04) data.battery = SUPPLY[bytes[at + 1]] || null; // 8: mains
        at += 1 + size;
    }
    return { data };
}

function decodeUplink(input) {
    const bytes = input.bytes;
    if (bytes.length < 3 || bytes[1] !== bytes.length - 2) return { errors: ["the size does not fit"] };
    if (bytes[0] === 0x10) return status(bytes);
    if (bytes[0] > 1 || bytes[2] !== CLAMPS || bytes.length !== 39) return { errors: ["no frame of a SQUID"] };
    const charge = [];
    for (let at = 3; at < 39; at += 3) charge.push((bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16)) / 100);
    return { data: { frame: "values", charge } };
}

// Adeunis PULSE 4: 0x46 indexes, 0x5a and 0x5b one channel, 0x47 flow alarm, 0x30 keep alive; what the frames hold is
// in the tests of the maker's own library.
"use strict";

const EPOCH = 1356998400; // 2013-01-01T00:00:00Z, when the device counts from
const FRAMES = {
    // code: name, bytes without a date, are there more of them?
    0x46: ["data", 10, false],
    0x47: ["flow", 6, false],
    0x5a: ["channel_a", 6, true],
    0x5b: ["channel_b", 6, true],
    0x30: ["alive", 11, false],
};

function long(bytes, at) {
    return bytes[at] * 0x1000000 + ((bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3]);
}

function decodeUplink(input) {
    const bytes = input.bytes;
    const [frame, size, open] = FRAMES[bytes[0]] || [];
    if (frame === undefined) return { errors: ["no frame of a PULSE 4"] };
    const dated = (bytes[1] & 0x04) !== 0;
    const end = open ? bytes.length - (dated ? 4 : 0) : size; // former indexes may follow, two bytes each
    if (end < size || (end - size) % 2 !== 0 || bytes.length < end + (dated ? 4 : 0))
        return { errors: ["a frame that is too short, or not whole"] };
    const data = { frame, battery_low: (bytes[1] & 0x02) !== 0 };
    if (frame === "data") data.index = { a: long(bytes, 2), b: long(bytes, 6) };
    if (frame === "channel_a") data.index = { a: long(bytes, 2) };
    if (frame === "channel_b") data.index = { b: long(bytes, 2) };
    if (frame === "alive") {
        data.tamper = { a: (bytes[2] & 0x04) !== 0, b: (bytes[2] & 0x08) !== 0 };
        data.leak = { a: (bytes[2] & 0x10) !== 0, b: (bytes[2] & 0x20) !== 0 };
    }
    if (dated) data.time = EPOCH + long(bytes, end);
    return { data };
}

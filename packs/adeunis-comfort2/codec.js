// Adeunis COMFORT 2: 0x4c periodic data, 0x4d alarm; what the frames hold is in the tests of the maker's own library.
"use strict";

const EPOCH = 1356998400; // 2013-01-01T00:00:00Z, when the device counts from

function word(bytes, at) {
    if (at + 2 > bytes.length) throw new RangeError("the frame is too short");
    return (bytes[at] << 8) | bytes[at + 1];
}

function celsius(bytes, at) {
    const raw = word(bytes, at);
    return (raw > 0x7fff ? raw - 0x10000 : raw) / 10;
}

function decodeUplink(input) {
    const bytes = input.bytes;
    const frame = { 0x4c: "data", 0x4d: "alarm" }[bytes[0]];
    if (frame === undefined || bytes.length < 2) return { errors: ["no frame of a COMFORT 2"] };
    const first = frame === "data" ? 2 : 3, dated = (bytes[1] & 0x04) !== 0;
    let end = first + 3;
    if (frame === "data") {
        end = bytes.length - (dated ? 4 : 0); // former values may follow
        if (end < first + 3 || (end - first) % 3 !== 0) return { errors: ["values that are not whole"] };
    }
    if (bytes.length < end + (dated ? 4 : 0)) return { errors: ["a frame that is too short"] };
    const data = {
        frame,
        battery_low: (bytes[1] & 0x02) !== 0,
        temperature: celsius(bytes, first),
        humidity: bytes[first + 2],
    };
    if (dated) data.time = EPOCH + word(bytes, end) * 0x10000 + word(bytes, end + 2);
    return { data };
}

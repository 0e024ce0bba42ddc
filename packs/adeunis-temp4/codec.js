// Adeunis TEMP 4: 0x57 periodic data, 0x58 alarm, 0x30 keep alive; what the frames hold is in the tests of the maker's
// own library. A value of -3276.8 means that a probe is not connected.
"use strict";

const EPOCH = 1356998400; // 2013-01-01T00:00:00Z, when the device counts from
const NO_PROBE = -0x8000;

function int16(bytes, at) {
    if (at + 2 > bytes.length) throw new RangeError("the frame is too short");
    return ((bytes[at] << 24) >> 16) | bytes[at + 1];
}

function celsius(bytes, at) {
    const raw = int16(bytes, at);
    return raw === NO_PROBE ? null : raw / 10;
}

function decodeUplink(input) {
    const bytes = input.bytes;
    const frame = { 0x57: "data", 0x58: "alarm", 0x30: "alive" }[bytes[0]];
    if (frame === undefined || bytes.length < 2) return { errors: ["no frame of a TEMP 4"] };
    const channels = bytes[1] & 0x10 ? 2 : 1, dated = (bytes[1] & 0x04) !== 0;
    const first = frame === "alarm" ? 3 : 2, step = frame === "alarm" ? 3 : 2; // an alarm tells why before each value
    let end = first + step * (channels - 1) + 2;
    if (frame === "data") {
        end = bytes.length - (dated ? 4 : 0); // former values may follow
        if (end < first + 2 * channels || (end - first) % (2 * channels) !== 0) return { errors: ["values that are not whole"] };
    }
    const data = { frame, battery_low: (bytes[1] & 0x02) !== 0, temperatures: [] };
    for (let channel = 0; channel < channels; channel++) data.temperatures.push(celsius(bytes, first + step * channel));
    if (dated) data.time = EPOCH + (int16(bytes, end) & 0xffff) * 0x10000 + (int16(bytes, end + 2) & 0xffff);
    return { data };
}

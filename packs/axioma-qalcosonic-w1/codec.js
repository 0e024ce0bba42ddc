// Axioma QALCOSONIC W1: port 100 the volume and the hours before it, port 103 an alarm. Numbers are little-endian,
// volumes in litres. Extended form: time, status, volume, time and volume of the oldest hour, differences of 16 bits.
// Enhanced form, 51 bytes: 1, time, status, volume a day ago, 23 differences of 14 bits, a multiplier.
"use strict";

const HOUR = 3600, ENHANCED = 51;

function long(bytes, at) {
    return (bytes[at] | (bytes[at + 1] << 8)) + (bytes[at + 2] | (bytes[at + 3] << 8)) * 0x10000;
}

function state(status) {
    const kind = status >> 5;
    return {
        battery_low: (status & 0x04) !== 0,
        fault: (status & 0x08) !== 0,
        leak: kind === 1,
        burst: kind === 5,
        backflow: kind === 3,
    };
}

function extended(bytes) {
    const oldest = long(bytes, 9);
    let time = oldest - (oldest % HOUR), litres = long(bytes, 13);
    const history = [{ time, litres }];
    for (let at = 17; at + 2 <= bytes.length; at += 2) {
        litres += bytes[at] | (bytes[at + 1] << 8);
        history.push({ time: (time += HOUR), litres });
    }
    return { time: long(bytes, 0), litres: long(bytes, 5), ...state(bytes[4]), history };
}

function enhanced(bytes) {
    const bits = (from, count) => {
        let value = 0;
        for (let n = 0; n < count; n++) value |= ((bytes[10 + ((from + n) >> 3)] >> ((from + n) & 7)) & 1) << n;
        return value;
    };
    if (bytes[0] !== 1 || bits(23 * 14, 6) !== 0) throw new Error("a version or a multiplier that is not known");
    let litres = long(bytes, 6);
    for (let n = 0; n < 23; n++) litres += bits(14 * n, 14);
    return { time: long(bytes, 1), litres, ...state(bytes[5]) };
}

function decodeUplink(input) {
    const bytes = input.bytes;
    if (input.fPort === 103 && bytes.length === 5) {
        const flag = (bit) => (bytes[4] & bit) !== 0;
        return { data: { time: long(bytes, 0), leak: flag(1), burst: flag(2), tamper: flag(8), backflow: flag(32) } };
    }
    if (input.fPort !== 100 || bytes.length < 17) return { errors: ["no message of a QALCOSONIC W1"] };
    return { data: bytes.length === ENHANCED ? enhanced(bytes) : extended(bytes) };
}

// Bosch TPS110: the port says what it is; the lowest bit of the last state byte, whether a car stands there.
"use strict";

const occupied = (byte) => (byte & 1) === 1;

function decodeUplink(input) {
    const bytes = input.bytes;
    if (input.fPort === 1 && bytes.length === 1) return { data: { occupied: occupied(bytes[0]) } };
    if (input.fPort === 2 && (bytes.length === 1 || bytes.length === 2)) {
        const data = { occupied: occupied(bytes[0]) };
        if (bytes.length === 2) data.temperature = (bytes[1] << 24) >> 24;
        return { data };
    }
    if (input.fPort === 3 && bytes.length === 17)
        return { data: { occupied: occupied(bytes[16]), firmware: bytes.slice(12, 15).join(".") } };
    return { errors: ["no message of a TPS110"] };
}

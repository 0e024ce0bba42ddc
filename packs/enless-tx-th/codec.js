// Enless TX T&H AMB 600-021: id (3 bytes), type, sequence, firmware, temperature, humidity, reserved, alarms, status.
"use strict";

const TYPE = 4, SIZE = 18;

function decodeUplink(input) {
    const bytes = input.bytes;
    if (bytes[3] !== TYPE || bytes.length !== SIZE) return { errors: ["no frame of a TX T&H AMB 600-021"] };
    const word = (at) => (bytes[at] << 8) | bytes[at + 1];
    return {
        data: {
            message: "values",
            temperature: ((word(6) << 16) >> 16) / 10,
            humidity: word(8) / 10,
            battery: 100 - 25 * ((word(16) >> 2) & 3), // in quarters
        },
    };
}

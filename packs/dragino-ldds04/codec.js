// Dragino LDDS04: battery in mV (14 bits; the highest bit: sent because of the interrupt pin), four distances in mm.
"use strict";

function decodeUplink(input) {
    const bytes = input.bytes;
    if (bytes.length !== 11) return { errors: ["a payload has 11 bytes"] };
    const word = (at) => (bytes[at] << 8) | bytes[at + 1];
    return { data: { battery: (word(0) & 0x3fff) / 1000, distance: [2, 4, 6, 8].map(word) } };
}

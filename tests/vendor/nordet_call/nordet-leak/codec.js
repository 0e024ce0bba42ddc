// LEAK-2: two bytes on port 7, flags and the battery in percent.
"use strict";

function decodeUplink(input) {
    const bytes = input.bytes;
    if (bytes.length !== 2) return { errors: ["a payload has 2 bytes"] };
    if (bytes[0] > 1 || bytes[1] > 100) return { errors: ["a flag or a percentage that there is not"] };
    return { data: { leak: bytes[0] === 1, battery: bytes[1] } };
}

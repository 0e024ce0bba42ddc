// Parametric TCR: vendor 0xBE, family 2, version; port 15 counts by speed class and direction, port 190 configuration.
"use strict";

// Counts of all classes, and their mean speed in km/h where there is one.
function direction(bytes, first) {
    let count = 0, sum = 0;
    for (let at = first; at + 3 <= bytes.length; at += 6) {
        const n = (bytes[at] << 8) | bytes[at + 1];
        count += n;
        sum += n * bytes[at + 2];
    }
    return { count, speed: count > 0 ? sum / count : null };
}

function decodeUplink(input) {
    const bytes = input.bytes, version = bytes[2];
    const word = (at) => (bytes[at] << 8) | bytes[at + 1];
    if (bytes[0] !== 0xbe || bytes[1] !== 2 || (version !== 1 && version !== 2))
        return { errors: ["no payload V1 or V2 of a TCR"] };
    if (input.fPort === 190) {
        if (bytes.length < 7) return { errors: ["a configuration that is too short"] };
        return { data: { payload: "configuration", firmware: bytes.slice(4, 7).join(".") } };
    }
    const at = version === 1 ? 4 : 5, size = at + 4 + 24; // four classes, two directions
    if (input.fPort !== 15 || bytes.length !== size) return { errors: ["counts of another size"] };
    const data = { payload: "counts", solar_power: word(at) / 1000, temperature: ((word(at + 2) << 16) >> 16) / 10 };
    if (version === 1) data.battery_percent = bytes[3];
    else data.battery = word(3) / 1000;
    data.left = direction(bytes, at + 4);
    data.right = direction(bytes, at + 7);
    return { data };
}

// THERMO: uplinks and a downlink. Written from the maker's document; see `sources` in pack.yaml.
"use strict";

function decodeUplink(input) {
    const bytes = input.bytes;
    if (bytes.length !== 3) return { errors: ["a payload has 3 bytes"] };
    const raw = (bytes[0] << 8) | bytes[1];
    const signed = raw > 0x7fff ? raw - 0x10000 : raw;
    const unplugged = raw === 0x8000;
    return { data: { temperature: unplugged ? null : signed / 10, battery: bytes[2] } };
}

function encodeDownlink(input) {
    return { fPort: 2, bytes: [0x01, input.data.minutes] };
}

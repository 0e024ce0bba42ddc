// Adeunis TEMP (Sigfox): data frames. Frames of configuration, of the network and keep-alives are refused: they are
// counted and give no reading.
"use strict";

const DATA = 0x43, LOW_BATTERY = 0x02;
const FAULT = 0x8000; // of a probe, in place of its value

function tenths(bytes, at) {
    const raw = (bytes[at] << 8) | bytes[at + 1];
    if (raw === FAULT) return null;
    return (raw > 0x7fff ? raw - 0x10000 : raw) / 10;
}

function decodeUplink(input) {
    const bytes = input.bytes;
    if (bytes[0] !== DATA) return { errors: ["no data frame"] };
    if (bytes.length < 8) return { errors: ["the frame is too short"] };
    const data = { frame: "data", battery_low: (bytes[1] & LOW_BATTERY) !== 0 };
    // the low half of the byte before a value is the type of its probe, 0: none
    if (bytes[2] & 0x0f) data.internal = tenths(bytes, 3);
    if (bytes[5] & 0x0f) data.external = tenths(bytes, 6);
    return { data };
}

// Sens'it Discovery V3: four bytes, perhaps followed by the eight of its configuration, which are not read.
"use strict";

const MODES = ["standby", "temperature", "light", "door", "vibration", "magnet"];
const KIND = 0b110; // the low three bits of each message of a V3
const CLOSED = 2, OPEN = 3;

// Sensitivities, from the highest on: [threshold, debounce] and the threshold to open.
const VIBRATION = [[1, 1], [3, 1], [4, 2], [8, 2], [16, 3]];
const DOOR = [2, 7, 12];

function decodeUplink(input) {
    const bytes = input.bytes;
    if (bytes.length !== 4 && bytes.length !== 12) return { errors: ["a message has 4 or 12 bytes"] };
    if ((bytes[0] & 7) !== KIND) return { errors: ["no message of a V3"] };
    const mode = MODES[bytes[1] >> 3];
    if (mode === undefined) return { errors: ["an unknown mode"] };
    const special = bytes[1] & 3, word = (bytes[2] << 8) | bytes[3];
    const data = { mode, battery: (bytes[0] >> 3) * 50 + 2700, button: (bytes[1] & 4) !== 0 };
    if (mode === "standby")
        data.firmware = [bytes[2] >> 4, ((bytes[2] & 15) << 4) | (bytes[3] >> 6), bytes[3] & 63].join(".");
    if (mode === "temperature") {
        data.temperature = (((special << 8) | bytes[2]) - 200) / 8;
        data.humidity = bytes[3] / 2;
    }
    if (mode === "light") data.illuminance = Math.round((word / 96) * 100) / 100;
    if (mode === "door" && (special === OPEN || special === CLOSED)) data.open = special === OPEN;
    if (mode === "vibration") data.vibration = special === 1;
    if (mode === "magnet") data.magnet = special === 1;
    if (mode === "door" || mode === "vibration" || mode === "magnet") data.events = word;
    return { data };
}

function encodeDownlink(input) {
    const d = input.data;
    const [threshold, debounce] = VIBRATION[d.vibration];
    const humid = (percent) => Math.floor((percent - 30) / 4);
    return {
        bytes: [
            d.periodic | (d.period << 6),
            d.temperature_low + 9,
            d.temperature_high + 9,
            humid(d.humidity_high) | (humid(d.humidity_low) << 4),
            0x80 | Math.floor((d.illuminance - 1) / 5),
            threshold,
            debounce | (d.vibration_delay << 4),
            4 | (DOOR[d.door] << 3),
        ],
    };
}

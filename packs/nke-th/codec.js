// nke Watteco TH: standard reports of single attributes (commands 0x0A, 0x8A and 0x01). Batch reports are refused: the
// device sends them only where it was told to.
"use strict";

const REPORT = 0x0a, ALARM = 0x8a, READ = 0x01;
const INT16 = 0x29, UINT16 = 0x21, STRING = 0x41;
const SOURCES = 5; // of power: constant, rechargeable, disposable, solar, TIC

function signed(value, size) {
    const half = 2 ** (8 * size - 1);
    return value >= half ? value - 2 * half : value;
}

function unsigned(bytes, at, size) {
    if (at + size > bytes.length) throw new RangeError("the report is too short");
    let value = 0;
    for (let n = 0; n < size; n++) value = value * 256 + bytes[at + n];
    return value;
}

// The node power descriptor: mode, sources that are there (bits), a voltage in mV for each, the source in use.
function battery(bytes, at) {
    if (bytes[at] < 3) return null;
    const there = bytes[at + 2];
    let value = null;
    for (let source = 0, voltage = at + 3; source < SOURCES; source++) {
        if (!(there & (1 << source))) continue;
        if (source === 2) value = unsigned(bytes, voltage, 2) / 1000;
        voltage += 2;
    }
    return value;
}

function decodeUplink(input) {
    const bytes = input.bytes;
    if (!(bytes[0] & 1)) return { errors: ["a batch report"] };
    if (![REPORT, ALARM, READ].includes(bytes[1])) return { errors: ["no report of a value"] };
    const answer = bytes[1] === READ;
    if (answer && bytes[6] !== 0) return { errors: ["the attribute was refused"] };
    const cluster = unsigned(bytes, 2, 2), attribute = unsigned(bytes, 4, 2);
    const at = answer ? 7 : 6, type = bytes[at];
    if (cluster === 0x0402 && attribute === 0 && type === INT16)
        return { data: { report: "temperature", temperature: signed(unsigned(bytes, at + 1, 2), 2) / 100 } };
    if (cluster === 0x0405 && attribute === 0 && type === UINT16)
        return { data: { report: "humidity", humidity: unsigned(bytes, at + 1, 2) / 100 } };
    if (cluster === 0x0050 && attribute === 6 && type === STRING)
        return { data: { report: "supply", battery: battery(bytes, at + 1) } };
    return { errors: ["a cluster or an attribute that this device does not report"] };
}

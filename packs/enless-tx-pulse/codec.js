// Enless TX PULSE 600-036: id (3 bytes), type, sequence, firmware, three counters, alarms, status.
"use strict";

const TYPE = 8, SIZE = 22;

function decodeUplink(input) {
    const bytes = input.bytes;
    if (bytes[3] !== TYPE || bytes.length !== SIZE) return { errors: ["no frame of a TX PULSE 600-036"] };
    const word = (at) => (bytes[at] << 8) | bytes[at + 1];
    const alarms = word(18);
    return {
        data: {
            message: "values",
            pulses: [6, 10, 14].map((at) => word(at) * 0x10000 + word(at + 2)),
            leak: [8, 9, 10].map((bit) => (alarms & (1 << bit)) !== 0),
        },
    };
}

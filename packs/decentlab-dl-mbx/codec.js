// Decentlab DL-MBX. A distance of which no sample was valid is none.
"use strict";

// Protocol version 2: version, device, which groups follow (bits), groups of 16-bit numbers.
function groups(bytes, sizes) {
    const word = (at) => (bytes[at] << 8) | bytes[at + 1];
    if (bytes[0] !== 2 || bytes.length < 5) throw new Error("no payload of protocol version 2");
    const flags = word(3), found = [];
    if (flags >> sizes.length) throw new Error("a group that is not known");
    let at = 5;
    sizes.forEach((size, n) => {
        if (!(flags & (1 << n))) return;
        if (at + 2 * size > bytes.length) throw new Error("the payload is too short");
        found[n] = Array.from({ length: size }, (_, i) => word(at + 2 * i));
        at += 2 * size;
    });
    return found;
}

// Downlinks: command, parameter, CRC-16/MODBUS over both.
function encodeDownlink(input) {
    const frame = [0x00, 0x02, input.data.seconds >> 8, input.data.seconds & 0xff]; // set period and save
    let crc = 0xffff;
    for (const byte of frame) {
        crc ^= byte;
        for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >> 1) ^ 0xa001 : crc >> 1;
    }
    return { bytes: [...frame, crc >> 8, crc & 0xff], fPort: 1 };
}

function decodeUplink(input) {
    const [level, battery] = groups(input.bytes, [2, 1]);
    const data = {};
    if (level) data.distance = level[1] > 0 ? level[0] : null;
    if (battery) data.battery = battery[0] / 1000;
    return { data };
}

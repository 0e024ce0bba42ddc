// Decentlab DL-PM.
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
    const [battery, particles, air, barometer] = groups(input.bytes, [1, 10, 2, 1]);
    const data = {};
    if (battery) data.battery = battery[0] / 1000;
    if (particles) {
        const [pm1, pm2_5, pm4, pm10] = particles.map((raw) => raw / 10);
        Object.assign(data, { pm1, pm2_5, pm4, pm10 });
    }
    if (air) {
        data.temperature = (175.72 * air[0]) / 65536 - 46.85;
        data.humidity = (125 * air[1]) / 65536 - 6;
    }
    if (barometer) data.pressure = (barometer[0] * 2) / 100; // hPa
    return { data };
}

// Decentlab DL-ATM41. Weather numbers are shifted by 32768.
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
    const [weather, battery] = groups(input.bytes, [17, 1]);
    const data = {};
    if (weather) {
        const x = weather.map((raw) => raw - 32768);
        data.solar_radiation = x[0];
        data.precipitation = x[1] / 1000;
        data.lightning_strikes = x[2];
        data.wind_speed = x[4] / 100;
        data.wind_direction = x[5] / 10;
        data.wind_gust = x[6] / 100;
        data.temperature = x[7] / 10;
        data.pressure = x[9] / 10; // hPa
        data.humidity = x[10] / 10;
    }
    if (battery) data.battery = battery[0] / 1000;
    return { data };
}

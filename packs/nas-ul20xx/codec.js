// NAS UL20xx luminaire controllers, firmware 1.1: ports 23 status, 26 usage, 61 alerts, 99 system. Little-endian.
"use strict";

function reader(bytes) {
    let at = 0;
    const u8 = () => {
        if (at >= bytes.length) throw new RangeError("the packet is too short");
        return bytes[at++];
    };
    const u16 = () => u8() + u8() * 256;
    return { u8, u16, u32: () => u16() + u16() * 0x10000, skip: (n) => (at += n), left: () => bytes.length - at };
}

// Lamps: address, why, level (255: none said), state of the driver.
function lamps(r, data) {
    while (r.left() >= 4) {
        r.skip(2);
        const level = r.u8(), state = r.u8();
        if (level <= 100 && data.dimming_level === undefined) data.dimming_level = level;
        if (level <= 100 && data.lamp_failure === undefined) data.lamp_failure = (state & 2) !== 0;
    }
}

function status(r) {
    const data = { packet: "status" };
    const form = r.u8(); // 0: one byte of state; 1: two, and sensors
    if (form > 1) return { errors: ["a status of form " + form] };
    r.skip(4 + (form === 1 ? 2 : 1) + 2); // time, state, RSSI and SNR
    data.temperature = (r.u8() << 24) >> 24;
    r.skip(1);
    if (form === 1) r.skip(r.u8());
    lamps(r, data);
    return { data };
}

function usage(r) {
    const data = { packet: "usage" };
    if (r.u8() !== 0) return { errors: ["a usage of another form"] };
    while (r.left() > 0) {
        r.u8(); // address
        const has = r.u8(), found = {};
        if (has & 0x01) found.energy_wh = r.u32();
        if (has & 0x02) found.power = r.u16();
        if (has & 0x04) r.u32(); // energy and power behind the driver
        if (has & 0x08) r.u16();
        if (has & 0x10) found.power_factor = r.u8() / 100;
        if (has & 0x20) found.voltage = r.u8();
        if (has & 0x40) r.u32(); // operating time of the driver
        if (has & 0x80) found.lamp_on_h = r.u32() / 3600;
        for (const key of Object.keys(found)) if (!(key in data)) data[key] = found[key];
    }
    return { data };
}

function alert(r) {
    const kind = r.u8();
    if (kind === 0x83) {
        r.skip(2); // reserved, address
        return { data: { packet: "driver_alert", lamp_failure: (r.u8() & 2) !== 0 } };
    }
    if (kind !== 0x84) return { errors: ["an alert of another kind"] };
    r.skip(1);
    const power = r.u16(), voltage = r.u16(), power_factor = r.u8() / 100;
    return { data: { packet: "metering_alert", power, voltage, power_factor } };
}

function boot(r) {
    if (r.u8() !== 0) return { errors: ["a system packet of another kind"] };
    r.skip(4);
    return { data: { packet: "boot", firmware: [r.u8(), r.u8(), r.u8()].join(".") } };
}

function decodeUplink(input) {
    const read = { 23: status, 26: usage, 61: alert, 99: boot }[input.fPort];
    return read ? read(reader(input.bytes)) : { errors: ["a port that is not read"] };
}

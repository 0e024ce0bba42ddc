// Nexelec Insafe+ Carbon: type of product in the high half of the first byte, type of message in the low half.
"use strict";

const PRODUCT = 0x70, ERROR = 255;
const MESSAGES = {
    // type: name, bytes
    2: ["real_time", 7],
    3: ["status", 7],
    4: ["button", 2],
    5: ["datalog", 11],
    6: ["temperature_alert", 3],
    7: ["co2_alert", 3],
    10: ["alive", 1],
};
const BATTERY = ["high", "medium", "low", "critical"];

const co2 = (raw) => (raw === ERROR ? null : raw * 20);
const celsius = (raw) => (raw === ERROR ? null : raw * 0.2);
const percent = (raw) => (raw === ERROR ? null : raw * 0.5);

function sample(bytes, at) {
    return { co2: co2(bytes[at]), temperature: celsius(bytes[at + 1]), humidity: percent(bytes[at + 2]) };
}

function decodeUplink(input) {
    const bytes = input.bytes;
    const [message, size] = MESSAGES[bytes[0] ^ PRODUCT] || [];
    if (message === undefined || bytes.length < size) return { errors: ["no message of an Insafe+ Carbon"] };
    const data = { message };
    if (message === "real_time") Object.assign(data, sample(bytes, 1));
    if (message === "temperature_alert") data.temperature = celsius(bytes[1]);
    if (message === "co2_alert") data.co2 = co2(bytes[1]);
    if (message === "status") {
        data.battery = BATTERY[bytes[1] >> 6];
        data.fault = (bytes[1] & 0x20) !== 0;
    }
    if (message === "datalog") {
        const step = (bytes[10] >> 4) * 600; // seconds; the oldest sample comes first
        Object.assign(data, sample(bytes, 7));
        data.history = [2, 1].map((n) => ({ ago: n * step, ...sample(bytes, 7 - 3 * n) }));
    }
    return { data };
}

// A JSON object in UTF-8 (RFC 8259).
"use strict";

function decodeUplink(input) {
    const text = new TextDecoder().decode(new Uint8Array(input.bytes));
    let data;
    try {
        data = JSON.parse(text);
    } catch (error) {
        return { errors: ["no JSON: " + error.message] };
    }
    if (data === null || typeof data !== "object" || Array.isArray(data)) return { errors: ["no JSON object"] };
    return { data };
}

// The Sigfox operator's side of callbacks: puts values into a template and sends it, as node's own HTTP client does.
// Lines in: {id, url, method, headers, body, template, values, wait}; lines out: {id, status, body} or {id, error}.
import { createInterface } from "node:readline";

// {name} → its value; an object goes in as JSON, a value that is not there as null.
function filled(template, values) {
    return template.replace(/\{([A-Za-z][A-Za-z0-9#]*)\}/g, (whole, name) => {
        const value = name in values ? values[name] : null;
        return value !== null && typeof value === "object" ? JSON.stringify(value) : String(value);
    });
}

for await (const line of createInterface({ input: process.stdin })) {
    const asked = JSON.parse(line);
    const body = asked.template === undefined ? asked.body : filled(asked.template, asked.values ?? {});
    fetch(filled(asked.url, asked.values ?? {}), {
        method: asked.method ?? "POST",
        headers: asked.headers ?? {},
        body: body === undefined || asked.method === "GET" ? undefined : body,
        signal: AbortSignal.timeout((asked.wait ?? 10) * 1000),
    })
        .then(async (reply) => ({ id: asked.id, status: reply.status, body: await reply.text() }))
        .catch((error) => ({ id: asked.id, error: String(error.cause ?? error) }))
        .then((told) => process.stdout.write(JSON.stringify(told) + "\n"));
}

// A meter with a web page, and a device that sends by itself: node's own HTTP server and client.
// Prints {port}. Lines in: {page, status, headers, body} sets a page; {id, url, method, headers, body} sends a request.
// Lines out: {asked: {path, headers}} for each request that came, {id, status, headers, body} or {id, error}.
import { createServer } from "node:http";
import { createInterface } from "node:readline";

const pages = new Map();
const say = (told) => process.stdout.write(JSON.stringify(told) + "\n");

const server = createServer((request, response) => {
    say({ asked: { path: request.url, headers: request.headers } });
    const page = pages.get(request.url) ?? { status: 404, headers: {}, body: "not here" };
    if (page.silent) return;
    const etag = page.headers?.ETag;
    if (etag !== undefined && request.headers["if-none-match"] === etag) {
        response.writeHead(304, { ETag: etag });
        response.end();
        return;
    }
    response.writeHead(page.status ?? 200, page.headers ?? {});
    response.end(page.body ?? "");
});
server.listen(0, "127.0.0.1", () => say({ port: server.address().port }));

for await (const line of createInterface({ input: process.stdin })) {
    const told = JSON.parse(line);
    if (told.page !== undefined) {
        pages.set(told.page, told);
        say({ set: told.page });
        continue;
    }
    fetch(told.url, { method: told.method ?? "POST", headers: told.headers ?? {}, body: told.body })
        .then(async (reply) => say({ id: told.id, status: reply.status, headers: Object.fromEntries(reply.headers), body: await reply.text() }))
        .catch((error) => say({ id: told.id, error: String(error.cause ?? error) }));
}
server.closeAllConnections();
server.close();

// Between the pages and the hub, where the browser trusts its certificate: everything comes from the hub, and when it
// does not answer a page of our own says so. VERSION and KEPT stand above (hub/web/areas/offline.py). No page of the
// building is ever kept: what a room was like is nobody's who finds the phone.
"use strict";

const SHELL = `ilot-shell-${VERSION}`, LAST = "ilot-last";
const SILENT = 35000;  // milliseconds: more than the hub takes for any page (hub/web/server.py, ANSWER_S)

addEventListener("install", (event) => event.waitUntil((async () => {
  const shell = await caches.open(SHELL);
  await shell.addAll(KEPT.map((path) => new Request(path, { cache: "reload" })));
  await skipWaiting();
})()));

addEventListener("activate", (event) => event.waitUntil((async () => {
  const names = await caches.keys();
  await Promise.all(names.filter((name) => name.startsWith("ilot-shell-") && name !== SHELL).map((name) => caches.delete(name)));
  await clients.claim();
})()));

const lang = async () => {
  const last = await caches.has(LAST) && await (await caches.open(LAST)).match("/last");
  const said = last ? (await last.json()).lang : navigator.language.slice(0, 2);
  return KEPT.includes(`/offline/${said}`) ? said : "fr";
};

const page = async () => (await caches.match(`/offline/${await lang()}`)) || Response.error();

addEventListener("fetch", (event) => {
  const { request } = event, url = new URL(request.url);
  if (request.method !== "GET" || url.origin !== location.origin) return;
  if (request.mode === "navigate") {
    const late = new Promise((done) => { setTimeout(() => done(page()), SILENT); });
    event.respondWith(Promise.race([fetch(request).catch(page), late]));
  } else if (KEPT.includes(url.pathname)) {
    event.respondWith(fetch(request).catch(async () => (await caches.match(url.pathname)) || Response.error()));
  }
});

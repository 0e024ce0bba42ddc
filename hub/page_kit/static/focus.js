// Where the keyboard goes on: at the sentence that answers a form, so that it is read and the next Tab goes on below it;
// and where it was, after a page loaded itself again. Without this script it begins at the top, and "skip" leads down.
"use strict";

(() => {
  const KEY = "ilot:focus", FRESH_MS = 60000;
  const REACHED = "a[href], button, input, select, textarea, summary, [tabindex='0']";

  const keep = (what) => {
    try { sessionStorage.setItem(KEY, JSON.stringify({ ...what, at: Date.now(), path: location.pathname })); } catch { /* a browser that keeps nothing */ }
  };
  const kept = () => {
    try {
      const told = JSON.parse(sessionStorage.getItem(KEY));
      sessionStorage.removeItem(KEY);
      return told && Date.now() - told.at < FRESH_MS ? told : {};
    } catch { return {}; }
  };

  // an element, as the next page will find it: by its id, or counted within the nearest part that has a name
  const named = (one) => {
    if (!one || one === document.body) return null;
    if (one.id) return { root: `#${CSS.escape(one.id)}`, n: -1 };
    const part = one.closest("[data-row], [id]");
    const root = !part ? "body" : part.dataset.row ? `[data-row="${CSS.escape(part.dataset.row)}"]` : `#${CSS.escape(part.id)}`;
    const n = [...document.querySelector(root).querySelectorAll(REACHED)].indexOf(one);
    return n < 0 ? null : { root, n };
  };
  const found = (name) => {
    const root = name && document.querySelector(name.root);
    return root && (name.n < 0 ? root : root.querySelectorAll(REACHED)[name.n]);
  };

  let sent = {};
  document.addEventListener("submit", (event) => {
    const form = event.target, at = document.activeElement;
    const asks = (form.getAttribute("method") || "get").toLowerCase() === "get";
    sent = { sent: true, asked: asks ? named(form.contains(at) ? at : event.submitter) : null };
    keep(sent);
  });
  // not "pagehide": the next page may begin before this one hears of that
  addEventListener("beforeunload", () => keep({ ...sent, stood: named(document.activeElement) }));
  addEventListener("pageshow", (event) => { if (event.persisted) { sent = {}; kept(); } });

  const nowhere = () => [null, document.body, document.getElementById("content")].includes(document.activeElement);
  const go = (place) => {
    if (!place) return false;
    if (place.tabIndex < 0 && !place.hasAttribute("tabindex")) place.tabIndex = -1;
    place.focus();
    if (document.activeElement !== place) return false;
    addEventListener("load", () => setTimeout(() => { if (nowhere()) place.focus(); }));  // "#content" may come after us
    return true;
  };

  // the key "/" leads to the search, except while something is typed; whoever wants it to do nothing says so there
  const SLASH = "ilot:slash", seek = document.getElementById("seek"), choice = document.querySelector("[data-slash]");
  const off = () => { try { return localStorage.getItem(SLASH) === "off"; } catch { return false; } };
  document.addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || !seek || off()) return;
    if (event.target.closest("input, select, textarea, [contenteditable]")) return;
    event.preventDefault();
    document.getElementById("menu").open = true;
    seek.focus();
  });
  if (choice) {
    const box = choice.querySelector("input");
    choice.hidden = false;
    box.checked = !off();
    box.addEventListener("change", () => { try { localStorage.setItem(SLASH, box.checked ? "on" : "off"); } catch { /* it stays on */ } });
  }

  const [way] = performance.getEntriesByType("navigation"), before = kept();
  if (!way || !nowhere()) return;
  const title = document.querySelector("main h1"), same = before.path === location.pathname;
  if (way.type === "reload") {
    if (same && before.stood) go(found(before.stood)) || go(title);
  } else if (way.type === "navigate") {
    if (same && before.asked) go(found(before.asked)) || go(title);
    else go(document.querySelector("main [data-told]")) || (before.sent && go(document.getElementById(location.hash.slice(1)) || title));
  }
})();

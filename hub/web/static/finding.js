// A search and the values of a device are read anew by themselves, and each row of a table of registers is read as soon
// as it is filled in. Without this script the pages have a link and a button for it.
"use strict";

(() => {
  const part = document.querySelector("#found, #now");
  let left = part ? Number(part.dataset.times || 1000) : 0;
  const again = async () => {
    const here = document.getElementById(part.id), wait = Number(here.dataset.again);
    if (!wait || left <= 0) return;
    left -= 1;
    await new Promise((done) => setTimeout(done, wait));
    if (document.hidden) { setTimeout(again, 1000); return; }
    const page = await loaded(location.href + (part.id === "now" ? "&quiet=1" : "")), fresh = page && page.getElementById(part.id);
    if (fresh) merge(here, fresh); else left -= 5;
    again();
  };
  // The page as a document, null when the hub does not answer; trusted types let no text become one.
  const loaded = (href) => new Promise((done) => {
    const asked = new XMLHttpRequest();
    asked.open("GET", href);
    asked.responseType = "document";
    asked.timeout = 40000;
    asked.onloadend = () => done(asked.status === 200 ? asked.response : null);
    asked.send();
  });
  // What is open stays open, what has the focus keeps it: only what differs is replaced.
  const merge = (here, fresh) => {
    here.dataset.again = fresh.dataset.again;
    const open = [...here.querySelectorAll("details")].map((one) => one.open);
    const focus = document.activeElement && here.contains(document.activeElement) ? document.activeElement : null;
    if (focus && focus.matches("select, input")) return;  // somebody chooses
    const where = focus ? [...here.querySelectorAll("a, button, summary")].indexOf(focus) : -1;
    if (here.innerHTML === fresh.innerHTML) return;
    here.replaceChildren(...fresh.childNodes);
    here.querySelectorAll("details").forEach((one, n) => { one.open = one.open || Boolean(open[n]); });
    if (where >= 0) { const next = here.querySelectorAll("a, button, summary")[where]; if (next) next.focus(); }
    for (const one of here.querySelectorAll("[data-by-hand]")) one.hidden = true;
  };
  if (part) {
    for (const one of part.querySelectorAll("[data-by-hand]")) one.hidden = true;
    again();
  }

  const form = document.querySelector("form[data-rows]");
  if (!form) return;
  const asked = new Map();
  const read = async (row) => {
    const said = row.querySelector("[data-said]"), n = row.dataset.row;
    const fields = { at: form.elements.at.value };
    for (const one of row.querySelectorAll("[name]")) fields[one.name.replace(`r${n}.`, "r0.")] = one.value;
    if (!fields["r0.address"] || !fields["r0.metric"]) { said.textContent = ""; return; }
    const turn = (asked.get(row) || 0) + 1;
    asked.set(row, turn);
    let told = { said: "", wrong: form.dataset.failed };
    try {
      const answer = await fetch(form.dataset.rows, {
        method: "POST", headers: { "Content-Type": "application/json", "X-CSRF": form.elements.csrf.value },
        body: JSON.stringify(fields), signal: AbortSignal.timeout(40000),
      });
      const body = await answer.json();
      told = answer.ok ? body : { said: "", wrong: body.error || form.dataset.failed };
    } catch { /* told as it is */ }
    if (asked.get(row) !== turn) return;
    said.textContent = told.said || told.wrong;
    said.classList.toggle("wrong", !told.said);
  };
  form.addEventListener("change", (event) => {
    const row = event.target.closest("[data-row]");
    if (!row) return;
    read(row);
    const last = form.querySelector("#rows").lastElementChild;
    if (row === last && Number(row.dataset.row) < 39) grow(last);
  });
  const grow = (last) => {
    const n = Number(last.dataset.row), made = last.cloneNode(true);
    made.dataset.row = n + 1;
    for (const one of made.querySelectorAll("[id], [name], [for], [aria-describedby]")) {
      for (const name of ["id", "name", "for", "aria-describedby"]) {
        if (one.hasAttribute(name)) one.setAttribute(name, one.getAttribute(name).replace(`r${n}`, `r${n + 1}`));
      }
    }
    made.querySelector("legend").textContent = made.querySelector("legend").textContent.replace(n + 1, n + 2);
    made.querySelector("[data-said]").textContent = "";
    for (const one of made.querySelectorAll("input")) one.value = one.defaultValue;
    last.after(made);
  };
})();

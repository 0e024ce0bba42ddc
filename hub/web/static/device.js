// A write from the page of a device is sent and answered beside its control, and a switch follows the stream of live
// values. Without this script the form is sent as any other, and the page says at its top what came of it.
"use strict";

(() => {
  const ENDED = ["done", "failed", "expired"], MOST = 20;  // requests about one command; the hub answers each within 3 s

  const ask = async (path, more) => {
    const answer = await fetch(path, { signal: AbortSignal.timeout(20000), ...more });
    if (answer.status >= 500 || answer.status === 429) throw new Error(String(answer.status));
    return [answer, await answer.json()];
  };

  const write = async (form, by, tell) => {
    const { csrf, ...fields } = Object.fromEntries(new FormData(form));
    if (by && by.name) fields[by.name] = by.value;
    tell("", form.dataset.sending);
    let [answer, told] = await ask(form.dataset.write, {
      method: "POST", headers: { "Content-Type": "application/json", "X-CSRF": csrf }, body: JSON.stringify(fields),
    });
    if (answer.status === 401 || answer.status === 403) {  // the session is over, or the form is an old one: session.js
      tell("", "");
      form.dataset.plain = "1";
      form.requestSubmit(by);
      return;
    }
    if (!answer.ok) { tell("bad", form.dataset.refused.replace("{}", told.error)); return; }
    for (let n = 0; !ENDED.includes(told.state) && n < MOST; n += 1) {
      tell("warn", told.said);
      [answer, told] = await ask(`${form.dataset.write}/${encodeURIComponent(told.id)}`);
      if (!answer.ok) { tell("warn", told.error); return; }
    }
    tell(told.state === "done" ? "good" : ENDED.includes(told.state) ? "bad" : "warn", told.said);
    if (told.state === "done") form.reset();
  };

  for (const form of document.querySelectorAll("form[data-write]")) {
    const said = form.querySelector("[role=status]");
    const tell = (kind, text) => {
      form.dataset.kind = kind;
      if (said.textContent !== text) said.textContent = text;
    };
    let busy = false;
    form.addEventListener("submit", async (event) => {
      if (form.dataset.plain) { delete form.dataset.plain; return; }
      event.preventDefault();
      event.stopPropagation();  // neither session.js nor focus.js: the page stays
      if (busy) return;
      busy = true;
      try { await write(form, event.submitter, tell); } catch { tell("bad", form.dataset.lost); }
      busy = false;
    });
  }

  document.addEventListener("ilot:values", (event) => {
    for (const { series, value } of event.detail) {
      for (const pair of document.querySelectorAll(`[data-switch="${CSS.escape(series)}"]`)) {
        for (const one of pair.children) one.setAttribute("aria-pressed", String(one.value === String(value)));
      }
    }
  });
})();
